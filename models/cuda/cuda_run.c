/* The plan's operations as kernels: what plan_run.c does for the CPU. */
#include "models/cuda/cuda_internal.h"

static size_t pixels(struct value_shape s) { return (size_t)s.height * (size_t)s.width; }

/* An operation at hand. */
struct step {
  const struct cuda_model *model;
  const struct cuda_place *place;
  cuda_stream *stream;
  const struct op *op;
  const struct cuda_op *data;
  struct value_shape from, to;
  const float *in, *residual;
  float *out;
};

static float *arena_place(const struct cuda_model *model, const struct cuda_place *place, value v) {
  return place->arena + model->plan->values[v].offset * (size_t)place->batch;
}

const float *cuda_value(const struct cuda_model *model, const struct cuda_place *place, value v) {
  if (v == NO_VALUE) return NULL;
  return v == INPUT_VALUE ? place->input : arena_place(model, place, v);
}

/* Whether a norm stands in front of the product, and the floats per image of its result. */
static size_t normalised_floats(const struct plan *plan, const struct op *op, const struct cuda_op *data) {
  if ((op->kind != OP_CONV && op->kind != OP_LINEAR) || !data->gamma) return 0;
  struct value_shape from = plan->values[op->in].shape, to = plan->values[op->out].shape;
  size_t window = (size_t)(op->shape.kernel * op->shape.kernel);
  return (data->window ? pixels(to) * window : pixels(from)) * (size_t)from.channels;
}

size_t cuda_scratch_floats(const struct cuda_model *model) {
  size_t most = 0;
  for (size_t i = 0; i < model->plan->op_count; i++) {
    const struct op *op = &model->plan->ops[i];
    size_t floats = normalised_floats(model->plan, op, &model->ops[i]);
    if (op->kind == OP_GLOBAL_RESPONSE_NORM) floats = (size_t)model->plan->values[op->in].shape.channels;
    if (floats > most) most = floats;
  }
  return most;
}

/* The norm in front of a product: its rows, pixels or whole windows, normalised into scratch. */
static void normalise(const struct step *s) {
  const struct conv_shape *shape = &s->op->shape;
  struct cuda_layer_norm norm = {.in = s->in,
                                 .gamma = s->data->gamma,
                                 .beta = s->data->beta,
                                 .out = s->place->scratch,
                                 .batch = s->place->batch,
                                 .height = s->from.height,
                                 .width = s->from.width,
                                 .out_height = s->data->window ? s->to.height : s->from.height,
                                 .out_width = s->data->window ? s->to.width : s->from.width,
                                 .channels = s->from.channels,
                                 .kernel = s->data->window ? shape->kernel : 1,
                                 .stride = s->data->window ? shape->stride : 1,
                                 .epsilon = s->data->epsilon};
  cuda_layer_norm(s->stream, &norm);
}

static void run_product(const struct step *s) {
  const struct conv_shape *shape = &s->op->shape;
  struct cuda_product product = {.in = s->in,
                                 .weight = s->data->weight,
                                 .bias = s->data->bias,
                                 .residual = s->residual,
                                 .out = s->out,
                                 .batch = s->place->batch,
                                 .height = s->from.height,
                                 .width = s->from.width,
                                 .out_height = s->to.height,
                                 .out_width = s->to.width,
                                 .groups = s->data->groups,
                                 .group_in = s->data->group_in,
                                 .group_out = s->data->group_out,
                                 .columns = s->data->columns,
                                 .kernel = shape->kernel,
                                 .stride = shape->stride,
                                 .padding = shape->padding,
                                 .dilation = shape->dilation,
                                 .activation = s->op->activation};
  if (s->data->gamma) {
    normalise(s);
    product.in = s->place->scratch;
  }
  if (s->data->window) { /* a normalised window is a row of its own */
    product.height = s->to.height;
    product.width = s->to.width;
    product.group_in *= shape->kernel * shape->kernel;
    product.kernel = product.stride = 1;
  }
  cuda_product(s->stream, &product, s->model->precision);
}

static void run_depthwise(const struct step *s) {
  struct cuda_depthwise depthwise = {s->in,         s->data->weight,  s->data->bias,
                                     s->out,        s->place->batch,  s->from.height,
                                     s->from.width, s->from.channels, s->op->shape.kernel};
  cuda_depthwise(s->stream, &depthwise);
}

static void run_layer_norm(const struct step *s) {
  struct cuda_layer_norm norm = {.in = s->in,
                                 .gamma = s->data->gamma,
                                 .beta = s->data->beta,
                                 .residual = s->residual,
                                 .out = s->out,
                                 .batch = s->place->batch,
                                 .height = s->from.height,
                                 .width = s->from.width,
                                 .out_height = s->from.height,
                                 .out_width = s->from.width,
                                 .channels = s->from.channels,
                                 .kernel = 1,
                                 .stride = 1,
                                 .epsilon = s->data->epsilon};
  cuda_layer_norm(s->stream, &norm);
}

static void run_attention(const struct step *s) {
  const struct attention_inputs *slices = &s->op->slices;
  const struct attention_shape *a = s->op->attention;
  const struct planned_value *values = s->model->plan->values;
  struct value_shape q = values[slices->q].shape, kv = values[slices->k].shape;
  struct cuda_attention attention = {
      .q = cuda_value(s->model, s->place, slices->q) + slices->q_offset,
      .k = cuda_value(s->model, s->place, slices->k) + slices->k_offset,
      .v = cuda_value(s->model, s->place, slices->v) + slices->v_offset,
      .out = s->out,
      .q_stride = (size_t)q.channels,
      .kv_stride = (size_t)kv.channels,
      .q_image_stride = pixels(q) * (size_t)q.channels,
      .kv_image_stride = pixels(kv) * (size_t)kv.channels,
      .batch = s->place->batch,
      .heads = a->heads,
      .head_size = a->head_size,
      .queries = a->queries,
      .keys = a->keys,
      .window_height = a->window_height,
      .window_width = a->window_width,
      .map_height = a->map_height,
      .map_width = a->map_width,
      .shift_y = a->shift_y,
      .shift_x = a->shift_x,
      .scale = a->scale,
      .cosine = a->cosine,
      .head_scale = s->data->head_scale,
      .bias = s->data->bias,
      .relative_bias = s->data->relative_bias,
      .rope_cos = s->data->rope_cos,
      .rope_sin = s->data->rope_sin,
      .rope_first = a->rope_first,
  };
  cuda_attention(s->stream, &attention);
}

static void run_tokens(const struct step *s) {
  struct cuda_tokens tokens = {.in = s->in,
                               .token = cuda_value(s->model, s->place, s->op->second),
                               .prefix = s->data->gamma,
                               .position = s->data->beta,
                               .out = s->out,
                               .batch = s->place->batch,
                               .first = s->op->first,
                               .pixels = (int)pixels(s->from),
                               .channels = s->to.channels};
  cuda_tokens(s->stream, &tokens);
}

/* `channels` floats an image, from one array of images to another. */
static void copy_channels(const struct step *s, const float *in, size_t in_stride, float *out, int channels) {
  struct cuda_copy copy = {in, out, (size_t)s->place->batch, in_stride, (size_t)s->to.channels, channels};
  cuda_copy_rows(s->stream, &copy);
}

static void run_concatenate(const struct step *s) {
  int second = s->model->plan->values[s->op->second].shape.channels;
  copy_channels(s, s->in, (size_t)s->from.channels, s->out, s->from.channels);
  copy_channels(s, cuda_value(s->model, s->place, s->op->second), (size_t)second, s->out + s->from.channels, second);
}

static void run_pooling(const struct step *s) {
  const struct conv_shape *shape = &s->op->shape;
  if (s->op->kind == OP_PAD_SHORTCUT) {
    struct cuda_shortcut shortcut = {s->in,         s->out,           s->place->batch, s->from.height,
                                     s->from.width, s->from.channels, shape->stride,   s->to.height,
                                     s->to.width,   s->to.channels};
    cuda_pad_shortcut(s->stream, &shortcut);
    return;
  }
  struct cuda_pool pool = {s->in,       s->out,           s->place->batch, s->from.height, s->from.width, s->to.height,
                           s->to.width, s->from.channels, shape->kernel,   shape->stride,  shape->padding};
  if (s->op->kind == OP_MAX_POOL)
    cuda_max_pool(s->stream, &pool);
  else
    cuda_average_pool(s->stream, &pool);
}

static void run_step(const struct step *s) {
  size_t channels = (size_t)s->from.channels;
  switch (s->op->kind) {
    case OP_CONV:
    case OP_LINEAR:
      run_product(s);
      break;
    case OP_DEPTHWISE:
      run_depthwise(s);
      break;
    case OP_LAYER_NORM:
      run_layer_norm(s);
      break;
    case OP_GLOBAL_RESPONSE_NORM:
      cuda_response_norm(s->stream,
                         &(struct cuda_response_norm){s->in, s->data->gamma, s->data->beta, s->out, s->place->scratch,
                                                      s->place->batch, (int)pixels(s->from), s->from.channels});
      break;
    case OP_GATE:
      cuda_gate(s->stream,
                &(struct cuda_gate){s->in, s->out, (size_t)s->place->batch * pixels(s->from), s->to.channels});
      break;
    case OP_ATTENTION:
      run_attention(s);
      break;
    case OP_TOKENS:
      run_tokens(s);
      break;
    case OP_SELECT:
      copy_channels(s, s->in + (size_t)s->op->first * channels, pixels(s->from) * channels, s->out, s->from.channels);
      break;
    case OP_MEAN:
      cuda_mean(s->stream, &(struct cuda_mean){s->in, s->out, s->place->batch, (int)pixels(s->from), s->op->first,
                                               s->op->count, s->from.channels});
      break;
    case OP_CONCATENATE:
      run_concatenate(s);
      break;
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
    case OP_PAD_SHORTCUT:
      run_pooling(s);
      break;
  }
}

void cuda_run_op(const struct cuda_model *model, const struct cuda_place *place, size_t i, cuda_stream *stream) {
  const struct op *op = &model->plan->ops[i];
  struct step step = {.model = model,
                      .place = place,
                      .stream = stream,
                      .op = op,
                      .data = &model->ops[i],
                      .from = model->plan->values[op->in].shape,
                      .to = model->plan->values[op->out].shape,
                      .in = cuda_value(model, place, op->in),
                      .residual = cuda_value(model, place, op->residual),
                      .out = arena_place(model, place, op->out)};
  run_step(&step);
}
