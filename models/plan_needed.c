/* What of a plan is needed: operations that lead to an output, and of those on tokens the tokens that are read. Where
 * features are made of the class token alone, the last block computes no other: keys and values aside, all of it works
 * token by token, and what is left out changes no bit of what is computed. */
#include "models/plan_internal.h"

enum { FEW = 4 }; /* tokens: class, distillation ... Where more are read, all are computed, side by side. */

bool plan_reads(const struct op *op, value v) {
  return op->in == v || op->second == v || op->third == v || op->residual == v;
}

static int tokens_of(const struct plan *plan, value v) {
  struct value_shape s = plan->values[v].shape;
  return s.height * s.width;
}

/* Whether an operation makes each token of its result from the same token of its inputs (attention: of its queries),
 * and can be run for some of them. */
static bool goes_by_tokens(const struct op *op) {
  const struct attention_shape *a = op->attention;
  return op->kind == OP_LINEAR || op->kind == OP_LAYER_NORM || op->kind == OP_GATE ||
         (a && !a->window_height && !a->bias && !a->rope_cos);
}

/* The tokens of v that a reader, itself needed for op->tokens, reads. */
static struct tokens tokens_read(const struct plan *plan, const struct op *reader, value v) {
  const bool whole_input = v == reader->second || v == reader->third;
  if (reader->kind == OP_SELECT) return (struct tokens){reader->first, 1};
  if (reader->kind == OP_MEAN) return (struct tokens){reader->first, reader->count};
  if (goes_by_tokens(reader) && !whole_input) return reader->tokens;
  return (struct tokens){0, tokens_of(plan, v)};
}

/* The least range that holds both. */
static struct tokens join(struct tokens a, struct tokens b) {
  if (a.count == 0) return b;
  int first = a.first < b.first ? a.first : b.first;
  int end = a.first + a.count > b.first + b.count ? a.first + a.count : b.first + b.count;
  return (struct tokens){first, end - first};
}

/* Note where only an attention for some queries reads a projection that gives its keys and values as well. */
static void find_queries(const struct plan *plan, struct op *op) {
  op->query_channels = 0;
  for (const struct op *reader = op + 1; reader < plan->ops + plan->op_count; reader++) {
    if (!reader->needed_by || !plan_reads(reader, op->out)) continue;
    const struct attention_inputs *slices = &reader->slices;
    const int channels = reader->attention ? reader->attention->heads * reader->attention->head_size : 0;
    const bool fused = reader->attention && slices->q == slices->k && slices->q == slices->v;
    const bool apart = slices->q_offset == 0 && slices->k_offset >= channels && slices->v_offset >= channels;
    if (op->query_channels || !fused || !apart || !plan_some_tokens(plan, reader)) {
      op->query_channels = 0;
      return;
    }
    op->query_channels = channels;
    op->queries = reader->tokens;
  }
}

/* Whether the projection's channels can be computed apart: the queries are whole panels of the register tile. */
static bool parts_queries(const struct plan *plan, const struct op *op) {
  return op->kind == OP_LINEAR && op->query_channels % plan->kernels->gemm_columns == 0 &&
         plan->values[op->out].shape.channels % plan->kernels->gemm_columns == 0;
}

/* Backwards from the outputs. */
void plan_find_needed(struct plan *plan) {
  for (size_t i = plan->op_count; i-- > 0;) {
    struct op *op = &plan->ops[i];
    const struct tokens all = {0, tokens_of(plan, op->out)};
    op->needed_by = 0;
    op->tokens = (struct tokens){0};
    for (unsigned o = 0; o < OUTPUT_COUNT; o++) {
      if (plan->outputs[o] != op->out) continue;
      op->needed_by |= 1u << o;
      op->tokens = all;
    }
    for (size_t j = i + 1; j < plan->op_count; j++) {
      const struct op *reader = &plan->ops[j];
      if (!reader->needed_by || !plan_reads(reader, op->out)) continue;
      op->needed_by |= reader->needed_by;
      op->tokens = join(op->tokens, tokens_read(plan, reader, op->out));
    }
    if (!goes_by_tokens(op) || op->tokens.count > FEW) op->tokens = all;
    find_queries(plan, op);
    if (op->needed_by > 0 && !parts_queries(plan, op)) op->query_channels = 0;
  }
}

bool plan_some_tokens(const struct plan *plan, const struct op *op) {
  return op->tokens.count < tokens_of(plan, op->out);
}
