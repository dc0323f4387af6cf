/* AMX's instructions as far as the kernels use them, done by the handler of the signal that a CPU without them raises:
 * the product's own code is what runs. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2
 * (LDTILECFG, TILELOADD, TILESTORED, TILEZERO, TILERELEASE, TDPBF16PS, and VEX for their encoding). What the manual
 * forbids ends the process, as it does on a CPU. */
#include "tests/amx_emulator.h"

#if defined(__x86_64__)
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

static _Thread_local struct {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } shapes;
  uint8_t bytes[TILES][ROWS][ROW_BYTES];
} amx;

static void demand(bool allowed) {
  static const char message[] = "an AMX instruction that a CPU would refuse\n";
  if (allowed) return;
  if (write(STDERR_FILENO, message, sizeof message - 1) < 0) abort();
  abort();
}

/* What an instruction says: VEX's fields, and ModRM's operands. */
struct instruction {
  int opcode, prefix; /* prefix: 0 none, 2 F3, 3 F2 */
  bool memory;        /* the operand is memory: */
  char *address;
  ptrdiff_t stride;
  int reg, rm, second; /* registers' numbers */
  const uint8_t *end;
};

static int64_t general(const ucontext_t *context, int n) {
  static const int at[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                             REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context->uc_mcontext.gregs[at[n]];
}

static struct instruction decode(const ucontext_t *context) {
  const uint8_t *p = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP];
  demand(p[0] == 0xC4 && (p[1] & 0x1F) == 2); /* VEX of three bytes, opcode map 0F 38 */
  int high_reg = p[1] & 0x80 ? 0 : 8, high_index = p[1] & 0x40 ? 0 : 8, high_base = p[1] & 0x20 ? 0 : 8;
  int mode = p[4] >> 6, rm = p[4] & 7;
  struct instruction i = {.opcode = p[3], .prefix = p[2] & 3, .memory = mode != 3};
  i.reg = (p[4] >> 3 & 7) | high_reg;
  i.second = 15 - (p[2] >> 3 & 15);
  i.rm = rm | high_base;
  p += 5;
  if (i.memory) {
    int64_t address, displacement = 0;
    if (rm == 4) { /* SIB: its index is a tile's stride */
      int base = *p & 7, index = (*p >> 3 & 7) | high_index;
      demand(!(mode == 0 && base == 5));
      address = general(context, base | high_base);
      if (index != 4) i.stride = (ptrdiff_t)((uint64_t)general(context, index) << (*p >> 6));
      p++;
    } else {
      demand(!(mode == 0 && rm == 5));
      address = general(context, i.rm);
    }
    if (mode == 1) {
      displacement = *p < 128 ? *p : *p - 256;
      p++;
    }
    if (mode == 2) {
      int32_t four;
      memcpy(&four, p, sizeof four);
      displacement = four;
      p += sizeof four;
    }
    i.address = (char *)(address + displacement);
  }
  i.end = p;
  return i;
}

static void configure(const char *from) {
  memset(&amx, 0, sizeof amx);
  memcpy(&amx.shapes, from, sizeof amx.shapes);
  demand(amx.shapes.palette == 1 && amx.shapes.start_row == 0);
  for (int i = 0; i < 14; i++) demand(!amx.shapes.reserved[i]);
  for (int i = 0; i < 16; i++) {
    int rows = amx.shapes.rows[i], bytes = amx.shapes.row_bytes[i];
    demand(i < TILES ? rows <= ROWS && bytes <= ROW_BYTES && !rows == !bytes : !rows && !bytes);
  }
}

/* A tile that an instruction names; it has to have a shape. */
static int tile(int n) {
  demand(n < TILES && amx.shapes.rows[n]);
  return n;
}

static float widen(const uint8_t *at) {
  uint16_t half;
  memcpy(&half, at, sizeof half);
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* c[m][n] += the sum over pairs k of a[m][k] . b[k][n]; the pairs' first and second products are summed apart. */
static void multiply(int c, int a, int b) {
  int rows = amx.shapes.rows[c], columns = amx.shapes.row_bytes[c] / 4, pairs = amx.shapes.row_bytes[a] / 4;
  demand(c != a && c != b && a != b && amx.shapes.rows[a] == rows && amx.shapes.rows[b] == pairs &&
         amx.shapes.row_bytes[b] == amx.shapes.row_bytes[c]);
  for (int m = 0; m < rows; m++) {
    for (int n = 0; n < columns; n++) {
      float sum[2] = {0, 0}, total;
      for (int k = 0; k < pairs; k++) {
        for (int i = 0; i < 2; i++)
          sum[i] += widen(&amx.bytes[a][m][4 * k + 2 * i]) * widen(&amx.bytes[b][k][4 * n + 2 * i]);
      }
      memcpy(&total, &amx.bytes[c][m][4 * n], sizeof total);
      total += sum[0] + sum[1];
      memcpy(&amx.bytes[c][m][4 * n], &total, sizeof total);
    }
  }
}

static void copy_rows(int n, const struct instruction *i, bool load) {
  if (load) memset(amx.bytes[n], 0, sizeof amx.bytes[n]);
  for (int r = 0; r < amx.shapes.rows[n]; r++) {
    char *memory = i->address + r * i->stride;
    if (load)
      memcpy(amx.bytes[n][r], memory, amx.shapes.row_bytes[n]);
    else
      memcpy(memory, amx.bytes[n][r], amx.shapes.row_bytes[n]);
  }
}

static void execute(int signal, siginfo_t *information, void *opaque) {
  (void)signal;
  (void)information;
  enum { CONFIGURE = 0x49, MOVE = 0x4B, MULTIPLY = 0x5C };
  ucontext_t *context = opaque;
  struct instruction i = decode(context);
  if (i.opcode == CONFIGURE && i.prefix == 0 && i.memory)
    configure(i.address);
  else if (i.opcode == CONFIGURE && i.prefix == 0) /* release */
    memset(&amx, 0, sizeof amx);
  else if (i.opcode == CONFIGURE && i.prefix == 3 && !i.memory)
    memset(amx.bytes[tile(i.reg)], 0, sizeof amx.bytes[0]);
  else if (i.opcode == MOVE && (i.prefix == 2 || i.prefix == 3) && i.memory)
    copy_rows(tile(i.reg), &i, i.prefix == 3);
  else if (i.opcode == MULTIPLY && i.prefix == 2 && !i.memory)
    multiply(tile(i.reg), tile(i.rm), tile(i.second));
  else
    demand(false);
  context->uc_mcontext.gregs[REG_RIP] = (greg_t)i.end;
}

void amx_emulate(void) {
  struct sigaction action = {.sa_sigaction = execute, .sa_flags = SA_SIGINFO};
  demand(sigaction(SIGILL, &action, NULL) == 0);
}
#else
void amx_emulate(void) {}
#endif
