# backbones: `make` builds the program and the library; `make help` lists the targets.
# Needs gcc (9 or newer) or clang, and GNU make. Variables: CC, BUILD (output folder), PREFIX, SANITIZE, EXTRA_CFLAGS.

CC ?= gcc
BUILD ?= build
PREFIX ?= /usr/local
OPTIMIZE ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
           -Wpointer-arith -Wwrite-strings -Wvla -Wundef
# -ffp-contract=off: the same sums on every compiler; kernels ask for fused multiply-adds by name.
BASE_FLAGS = -std=c11 -D_GNU_SOURCE -I. -fvisibility=hidden -fPIC -ffp-contract=off -fno-math-errno -pthread -MMD -MP
SANITIZE ?=
CFLAGS_ALL = $(BASE_FLAGS) $(OPTIMIZE) $(WARNINGS) $(SANITIZE) $(EXTRA_CFLAGS)
LDLIBS = -lm -pthread

# ---- instruction sets: every file in kernels/simd is compiled once for each of these -----------------------------
TARGET_MACHINE := $(shell $(CC) -dumpmachine)
ifneq (,$(findstring x86_64,$(TARGET_MACHINE)))
ISAS = avx512 avx2 plain
else ifneq (,$(findstring aarch64,$(TARGET_MACHINE)))
ISAS = neon plain
else
ISAS = plain
endif
ISA_FLAGS_avx512 = -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512
ISA_FLAGS_avx2 = -mavx2 -mfma
ISA_FLAGS_neon =
ISA_FLAGS_plain =
SIMD_SOURCES = $(wildcard kernels/simd/*.c)

LIBRARY_SOURCES = $(wildcard kernels/*.c kernels/reference/*.c weights-tools/*.c models/*.c images/*.c evaluate/*.c bench/*.c)
TEST_SOURCES = $(wildcard tests/*.c)

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
SIMD_OBJECTS = $(foreach isa,$(ISAS),$(patsubst kernels/simd/%.c,$(BUILD)/kernels/simd/%_$(isa).o,$(SIMD_SOURCES)))
LIBRARY_OBJECTS = $(call objects,$(LIBRARY_SOURCES)) $(SIMD_OBJECTS)
TEST_OBJECTS = $(call objects,$(TEST_SOURCES))

.PHONY: all
all: $(BUILD)/backbones $(BUILD)/libbackbones.a

$(BUILD)/backbones: $(BUILD)/backbones.o $(LIBRARY_OBJECTS)
	$(CC) $(SANITIZE) -o $@ $^ $(LDLIBS)

# One object in which only the functions of backbones.h are visible, so that no internal name can clash with a user's.
$(BUILD)/libbackbones.a: $(LIBRARY_OBJECTS)
	@rm -f $@
	$(LD) -r -o $(BUILD)/libbackbones.o $^
	objcopy --localize-hidden $(BUILD)/libbackbones.o
	$(AR) rcs $@ $(BUILD)/libbackbones.o

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

# Pixel and kernel loops are worth vectorising at -O3.
$(BUILD)/images/%.o: OPTIMIZE := -O3 -g
$(BUILD)/kernels/simd/%.o: OPTIMIZE := -O3 -g
define simd_rule
$(BUILD)/kernels/simd/%_$(1).o: kernels/simd/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_ALL) $$(ISA_FLAGS_$(1)) -DISA=$(1) -DISA_$(1)=1 -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call simd_rule,$(isa))))
$(BUILD)/kernels/kernels.o: EXTRA_CFLAGS += $(foreach isa,$(ISAS),-DHAVE_$(isa)=1)

# ---- tests --------------------------------------------------------------------------------------------------------
$(BUILD)/run-tests: $(TEST_OBJECTS) $(LIBRARY_OBJECTS)
	$(CC) $(SANITIZE) -o $@ $^ $(LDLIBS)
$(TEST_OBJECTS): WARNINGS += -Wno-missing-prototypes

.PHONY: test
test: all $(BUILD)/run-tests
	$(BUILD)/run-tests --program $(BUILD)/backbones $(TESTS)

-include $(LIBRARY_OBJECTS:.o=.d) $(TEST_OBJECTS:.o=.d) $(BUILD)/backbones.d

.PHONY: clean
clean:
	rm -rf $(BUILD)
