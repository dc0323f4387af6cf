#include "evaluate/demo_drawing.h"

#include <math.h>
#include <stdbool.h>

#include "evaluate/demo_texture.h"

/* ---- what the shapes look like ------------------------------------------------------------------------------------
 * Outlines are control points of a closed quadratic B-spline, in a square of -1..1 with y downwards; a point given
 * twice makes a sharper corner. Strokes lie on top of the pattern, from back to front. */
enum { MAX_POINTS = 24, ROUNDS = 2 /* of corner cutting */, MAX_OUTLINE = MAX_POINTS << ROUNDS, MAX_STROKES = 5 };

enum ink { DARK, LIGHT };
struct stroke { /* a thick line; a dot when both ends meet */
  struct point from, to;
  double radius;
  enum ink ink;
};
struct shape {
  int points, strokes;
  struct point outline[MAX_POINTS];
  struct stroke stroke[MAX_STROKES];
  double ring_radius, ring_thickness; /* a handle around ring_centre; radius 0: none */
  struct point ring_centre;
};

static const struct shape butterfly = {
    .points = 20,
    .outline = {{0.00, -0.22},  {0.22, -0.55},  {0.55, -0.88},  {0.98, -0.92},  {1.00, -0.45},
                {0.80, -0.05},  {0.52, 0.02},   {0.78, 0.30},   {0.74, 0.76},   {0.36, 0.84},
                {0.00, 0.30},   {-0.36, 0.84},  {-0.74, 0.76},  {-0.78, 0.30},  {-0.52, 0.02},
                {-0.80, -0.05}, {-1.00, -0.45}, {-0.98, -0.92}, {-0.55, -0.88}, {-0.22, -0.55}},
    .strokes = 3,
    .stroke = {{{0, -0.35}, {0.26, -0.86}, 0.035, DARK},
               {{0, -0.35}, {-0.26, -0.86}, 0.035, DARK},
               {{0, -0.36}, {0, 0.48}, 0.09, DARK}},
};
static const struct shape fish = {
    .points = 18,
    .outline = {{1.00, 0.02},
                {0.66, -0.34},
                {0.28, -0.46},
                {0.10, -0.74},
                {-0.26, -0.70},
                {-0.28, -0.40},
                {-0.58, -0.08},
                {-0.98, -0.56},
                {-0.98, -0.56},
                {-0.80, 0.00},
                {-0.98, 0.56},
                {-0.98, 0.56},
                {-0.58, 0.08},
                {-0.28, 0.36},
                {-0.16, 0.66},
                {0.14, 0.62},
                {0.24, 0.42},
                {0.66, 0.34}},
    .strokes = 4,
    .stroke = {{{0.36, -0.20}, {0.40, 0.02}, 0.03, DARK},
               {{0.40, 0.02}, {0.36, 0.24}, 0.03, DARK},
               {{0.62, -0.10}, {0.62, -0.10}, 0.11, LIGHT},
               {{0.64, -0.10}, {0.64, -0.10}, 0.06, DARK}},
};
static const struct shape mug = {
    .points = 10,
    .outline = {{-0.72, -0.74},
                {-0.72, -0.74},
                {0.44, -0.74},
                {0.44, -0.74},
                {0.40, 0.40},
                {0.34, 0.80},
                {0.20, 0.84},
                {-0.48, 0.84},
                {-0.62, 0.80},
                {-0.68, 0.40}},
    .strokes = 2,
    .stroke = {{{-0.54, -0.64}, {0.26, -0.64}, 0.13, LIGHT}, {{-0.53, -0.64}, {0.25, -0.64}, 0.09, DARK}},
    .ring_radius = 0.36,
    .ring_thickness = 0.10,
    .ring_centre = {0.46, 0.0},
};
static const struct shape shirt = {
    .points = 22,
    .outline = {{-0.24, -0.74}, {-0.12, -0.62}, {0.12, -0.62},  {0.24, -0.74}, {0.52, -0.66},  {1.00, -0.18},
                {1.00, -0.18},  {0.72, 0.12},   {0.72, 0.12},   {0.48, -0.12}, {0.46, 0.20},   {0.50, 0.84},
                {0.50, 0.84},   {-0.50, 0.84},  {-0.50, 0.84},  {-0.46, 0.20}, {-0.48, -0.12}, {-0.72, 0.12},
                {-0.72, 0.12},  {-1.00, -0.18}, {-1.00, -0.18}, {-0.52, -0.66}},
    .strokes = 3,
    .stroke = {{{-0.25, -0.70}, {-0.12, -0.56}, 0.06, LIGHT},
               {{-0.12, -0.56}, {0.12, -0.56}, 0.06, LIGHT},
               {{0.12, -0.56}, {0.25, -0.70}, 0.06, LIGHT}},
};
static const struct shape star = {
    .points = 15,
    .outline = {{0.00, -1.05},
                {0.00, -1.05},
                {0.24, -0.34},
                {1.00, -0.32},
                {1.00, -0.32},
                {0.40, 0.13},
                {0.62, 0.85},
                {0.62, 0.85},
                {0.00, 0.42},
                {-0.62, 0.85},
                {-0.62, 0.85},
                {-0.40, 0.13},
                {-1.00, -0.32},
                {-1.00, -0.32},
                {-0.24, -0.34}},
};

const char *const demo_class_names[DEMO_CLASSES] = {
    "spotted-butterfly", "spotted-fish", "spotted-mug", "spotted-shirt", "spotted-star",
    "striped-butterfly", "striped-fish", "striped-mug", "striped-shirt", "striped-star",
};
static const struct shape *const shapes[DEMO_CLASSES / 2] = {&butterfly, &fish, &mug, &shirt, &star};

static double smaller(double a, double b) { return a < b ? a : b; }
static double larger(double a, double b) { return a > b ? a : b; }

/* ---- distances: negative inside, in the units of the coordinates ----------------------------------------------- */
static double segment_distance(struct point p, struct point a, struct point b) {
  double ex = b.x - a.x, ey = b.y - a.y, dx = p.x - a.x, dy = p.y - a.y;
  double length = ex * ex + ey * ey;
  double t = length > 0 ? clamp((dx * ex + dy * ey) / length, 0, 1) : 0;
  dx -= t * ex;
  dy -= t * ey;
  return sqrt(dx * dx + dy * dy);
}

/* An edge of a polygon with the divisions done. */
struct edge {
  struct point from, along; /* the end is from + along */
  double inverse_length;    /* 1 / |along|^2, 0 for a dot */
  double slope;             /* along.x / along.y */
};

static struct edge make_edge(struct point from, struct point to) {
  struct edge edge = {.from = from, .along = {to.x - from.x, to.y - from.y}};
  double length = edge.along.x * edge.along.x + edge.along.y * edge.along.y;
  if (length > 0) edge.inverse_length = 1 / length;
  if (edge.along.y != 0) edge.slope = edge.along.x / edge.along.y;
  return edge;
}

static double polygon_distance(struct point p, const struct edge *edges, int n) {
  double nearest = 1e9; /* squared */
  bool inside = false;
  for (int i = 0; i < n; i++) {
    const struct edge *edge = &edges[i];
    double x = p.x - edge->from.x, y = p.y - edge->from.y;
    /* Count the edges that a ray to the right crosses. */
    if ((y < 0) != (y < edge->along.y) && x < y * edge->slope) inside = !inside;
    double t = clamp((x * edge->along.x + y * edge->along.y) * edge->inverse_length, 0, 1);
    x -= t * edge->along.x;
    y -= t * edge->along.y;
    nearest = smaller(nearest, x * x + y * y);
  }
  return inside ? -sqrt(nearest) : sqrt(nearest);
}

/* ---- the scene ------------------------------------------------------------------------------------------------- */
/* Where a thing stands: turned, stretched, maybe mirrored, and moved. */
struct placement {
  struct point centre, turn; /* turn: unit vector that the thing's x axis points along */
  double scale_x, scale_y;   /* scale_x < 0: mirrored */
};

static struct point to_object(const struct placement *placement, struct point p) {
  double x = p.x - placement->centre.x, y = p.y - placement->centre.y;
  return (struct point){(x * placement->turn.x + y * placement->turn.y) / placement->scale_x,
                        (y * placement->turn.x - x * placement->turn.y) / placement->scale_y};
}

/* The outline's distance function on a grid over the object's square: what lies between is interpolated. */
enum { FIELD_CELLS = 40, FIELD_NODES = FIELD_CELLS + 1 };
static const double field_extent = 1.4; /* the grid spans -1.4..1.4 */

struct object {
  const struct shape *shape;
  double field[FIELD_NODES][FIELD_NODES];
  struct placement placement;
  double scale; /* turns the object's distances into the picture's */
  struct texture skin;
};

enum prop_kind { DISC, RING, BAR, BOX, PROP_KINDS };
struct prop { /* clutter: a simple thing behind the object or in front of it */
  enum prop_kind kind;
  struct placement placement;
  double width, height, softness;
  struct texture skin;
};

enum { MAX_BEHIND = 4, MAX_BEFORE = 2 };
struct scene {
  struct texture background;
  struct prop behind[MAX_BEHIND], before[MAX_BEFORE];
  int behind_count, before_count;
  struct object object;
  struct point light; /* unit vector towards it, in the plane of the picture */
  double light_slope, shadow, vignette, exposure, grain;
};

/* Chaikin's corner cutting: each round replaces a corner by the points a quarter along both of its edges. */
static int cut_corners(struct point *corners, int n) {
  for (int round = 0; round < ROUNDS; round++) {
    struct point cut[MAX_OUTLINE] = {{0, 0}};
    for (int i = 0; i < n; i++) {
      struct point a = corners[i], b = corners[(i + 1) % n];
      cut[2 * i] = (struct point){mix(a.x, b.x, 0.25), mix(a.y, b.y, 0.25)};
      cut[2 * i + 1] = (struct point){mix(a.x, b.x, 0.75), mix(a.y, b.y, 0.75)};
    }
    n *= 2;
    for (int i = 0; i < n; i++) corners[i] = cut[i];
  }
  return n;
}

static void draw_field(struct object *object, const struct point *outline, int corners) {
  const struct shape *shape = object->shape;
  struct edge edges[MAX_OUTLINE];
  for (int i = 0; i < corners; i++) edges[i] = make_edge(outline[i], outline[(i + 1) % corners]);
  for (int j = 0; j < FIELD_NODES; j++) {
    for (int i = 0; i < FIELD_NODES; i++) {
      struct point p = {field_extent * (2.0 * i / FIELD_CELLS - 1), field_extent * (2.0 * j / FIELD_CELLS - 1)};
      double distance = polygon_distance(p, edges, corners);
      if (shape->ring_radius > 0) {
        double x = p.x - shape->ring_centre.x, y = p.y - shape->ring_centre.y;
        distance = smaller(distance, fabs(sqrt(x * x + y * y) - shape->ring_radius) - shape->ring_thickness);
      }
      object->field[j][i] = distance;
    }
  }
}

/* Distance from the object's rim at q, in its own units; beyond the grid it is only known to be far. */
static double object_distance(const struct object *object, struct point q) {
  double x = (q.x / field_extent + 1) * 0.5 * FIELD_CELLS, y = (q.y / field_extent + 1) * 0.5 * FIELD_CELLS;
  if (!(x >= 0 && x < FIELD_CELLS && y >= 0 && y < FIELD_CELLS)) return field_extent;
  int i = (int)x, j = (int)y;
  double above = mix(object->field[j][i], object->field[j][i + 1], x - i);
  double below = mix(object->field[j + 1][i], object->field[j + 1][i + 1], x - i);
  return mix(above, below, y - j);
}

static void place_object(struct object *object, const struct shape *shape, enum texture_kind pattern,
                         struct generator *generator) {
  object->shape = shape;
  struct point outline[MAX_OUTLINE] = {{0, 0}};
  for (int i = 0; i < shape->points; i++) { /* no two of a kind are alike */
    struct point p = shape->outline[i];
    bool twin = i > 0 && p.x == shape->outline[i - 1].x && p.y == shape->outline[i - 1].y;
    if (twin) { /* stays one corner */
      outline[i] = outline[i - 1];
      continue;
    }
    p.x += generator_real(generator, -0.04, 0.04);
    p.y += generator_real(generator, -0.04, 0.04);
    outline[i] = p;
  }
  draw_field(object, outline, cut_corners(outline, shape->points));

  struct placement *placement = &object->placement;
  object->scale = generator_real(generator, 0.62, 0.88);
  double stretch = generator_real(generator, -0.12, 0.12);
  placement->scale_x = object->scale * (1 + stretch);
  placement->scale_y = object->scale * (1 - stretch);
  if (generator_integer(generator, 0, 1)) placement->scale_x = -placement->scale_x;
  double half_turn = generator_real(generator, -0.3, 0.3); /* tangent of half the angle: up to 33 degrees each way */
  double norm = 1 + half_turn * half_turn;
  placement->turn = (struct point){(1 - half_turn * half_turn) / norm, 2 * half_turn / norm};
  double room = 1.02 - object->scale;
  placement->centre.x = generator_real(generator, -room, room);
  placement->centre.y = generator_real(generator, -room, room);

  object->skin = texture_random(generator, pattern, 0.35, 1);
  object->skin.period = generator_real(generator, 0.32, 0.5) * 0.65 / object->scale;
}

static void place_prop(struct prop *prop, struct generator *generator) {
  static const enum texture_kind skins[] = {PLAIN, STRIPES, SPOTS, CHECKS, CLOUDS};
  prop->kind = (enum prop_kind)generator_integer(generator, 0, PROP_KINDS - 1);
  prop->placement = (struct placement){.scale_x = 1, .scale_y = 1};
  prop->placement.turn = generator_direction(generator);
  prop->placement.centre.x = generator_real(generator, -1, 1);
  prop->placement.centre.y = generator_real(generator, -1, 1);
  prop->width = generator_real(generator, 0.15, 0.5);
  prop->height = generator_real(generator, 0.1, 0.35);
  prop->softness = 0.03;
  enum texture_kind kind = skins[generator_integer(generator, 0, sizeof skins / sizeof skins[0] - 1)];
  prop->skin = texture_random(generator, kind, 0.2, 0.7);
  prop->skin.period *= 0.7;
}

/* A twig across the object or something out of focus at its rim. */
static void place_before(struct prop *prop, const struct object *object, struct generator *generator) {
  place_prop(prop, generator);
  struct point aside = generator_direction(generator);
  bool twig = generator_integer(generator, 0, 1) != 0;
  double away = twig ? generator_real(generator, 0.1, 0.5) : generator_real(generator, 0.85, 1.1);
  prop->placement.centre.x = object->placement.centre.x + aside.x * away * object->scale;
  prop->placement.centre.y = object->placement.centre.y + aside.y * away * object->scale;
  if (twig) {
    prop->kind = BAR;
    prop->skin.kind = WOOD;
    prop->placement.turn = (struct point){-aside.y, aside.x};
    prop->width = 3;
    prop->height = generator_real(generator, 0.03, 0.06);
  } else {
    prop->kind = DISC;
    prop->width = generator_real(generator, 0.2, 0.35);
    prop->softness = generator_real(generator, 0.05, 0.25);
  }
}

/* A person must be able to see it: both colours of the skin lie clear of the background's middle one. */
static bool stands_out(const struct texture *skin, const struct texture *ground) {
  struct colour middle = colour_mix(ground->colours[0], ground->colours[1], 0.5);
  return colour_distance(skin->colours[0], middle) > 0.33 && colour_distance(skin->colours[1], middle) > 0.33;
}

static void compose(struct scene *scene, int class_index, struct generator *generator) {
  const int half = DEMO_CLASSES / 2;
  place_object(&scene->object, shapes[class_index % half], class_index < half ? SPOTS : STRIPES, generator);
  do {
    enum texture_kind kind = (enum texture_kind)generator_integer(generator, 0, TEXTURE_KINDS - 1);
    scene->background = texture_random(generator, kind, 0.1, 0.4);
  } while (!stands_out(&scene->object.skin, &scene->background));
  scene->behind_count = generator_integer(generator, 0, MAX_BEHIND);
  for (int i = 0; i < scene->behind_count; i++) place_prop(&scene->behind[i], generator);
  scene->before_count = generator_integer(generator, 0, MAX_BEFORE * 2) / 2; /* two are rare */
  for (int i = 0; i < scene->before_count; i++) place_before(&scene->before[i], &scene->object, generator);
  scene->light = generator_direction(generator);
  scene->light_slope = generator_real(generator, 0.05, 0.3);
  scene->shadow = generator_real(generator, 0.2, 0.5);
  scene->vignette = generator_real(generator, 0, 0.2);
  scene->exposure = generator_real(generator, 0.95, 1.25);
  scene->grain = generator_real(generator, 0.01, 0.04);
}

/* ---- colours of a point ---------------------------------------------------------------------------------------- */
static double prop_distance(const struct prop *prop, struct point q) {
  double radius = sqrt(q.x * q.x + q.y * q.y), x = fabs(q.x), y = fabs(q.y);
  switch (prop->kind) {
    case DISC:
      return radius - prop->width;
    case RING:
      return fabs(radius - prop->width) - 0.3 * prop->height;
    case BAR:
      return segment_distance((struct point){x, y}, (struct point){0, 0}, (struct point){prop->width, 0}) -
             prop->height;
    case BOX:
    case PROP_KINDS:
      break;
  }
  return larger(x - prop->width, y - prop->height);
}

static struct colour draw_prop(const struct prop *prop, struct colour under, struct point p, double blur) {
  struct point q = to_object(&prop->placement, p);
  double distance = prop_distance(prop, q);
  if (distance > prop->softness + 0.15) return under;
  under = colour_scale(under, 1 - 0.3 * ramp(0.03, distance, 0.2)); /* a little contact shadow */
  double cover = ramp(0, distance, prop->softness);
  return cover > 0 ? colour_mix(under, texture_colour(&prop->skin, q.x, q.y, blur), cover) : under;
}

/* What the object shows at p, and how much of it (0: only what is behind, 1: nothing of it). */
struct paint {
  struct colour colour;
  double cover;
};
static struct paint paint_object(const struct scene *scene, struct point p, double blur) {
  const struct object *object = &scene->object;
  struct point q = to_object(&object->placement, p);
  double distance = object_distance(object, q), object_blur = blur / object->scale;
  struct paint paint = {.cover = ramp(0, distance, object_blur)};
  if (paint.cover > 0) {
    /* A rounded body: the rim turns away from the viewer, and the side at the light is brighter. */
    double rim = clamp(1 + distance / 0.3, 0, 1);
    double x = p.x - object->placement.centre.x, y = p.y - object->placement.centre.y;
    double facing = x * scene->light.x + y * scene->light.y;
    paint.colour = texture_colour(&object->skin, q.x, q.y, object_blur);
    paint.colour = colour_scale(paint.colour, (1 - 0.3 * rim * rim) * (1.05 + 0.35 * facing));
  }
  for (int i = 0; i < object->shape->strokes; i++) {
    const struct stroke *stroke = &object->shape->stroke[i];
    double ink = ramp(stroke->radius, segment_distance(q, stroke->from, stroke->to), object_blur);
    double grey = stroke->ink == LIGHT ? 0.92 : 0.14;
    paint.colour = colour_mix(paint.colour, (struct colour){grey, grey, grey}, ink);
    paint.cover = larger(paint.cover, ink);
  }
  return paint;
}

static struct colour draw_behind(const struct scene *scene, struct point p, double blur) {
  const struct object *object = &scene->object;
  struct colour colour = texture_colour(&scene->background, p.x, p.y, blur);
  for (int i = 0; i < scene->behind_count; i++) colour = draw_prop(&scene->behind[i], colour, p, blur);
  /* The object's shadow falls away from the light. */
  struct point shifted = {p.x + 0.1 * scene->light.x, p.y + 0.1 * scene->light.y};
  double distance = object->scale * object_distance(object, to_object(&object->placement, shifted));
  return colour_scale(colour, 1 - scene->shadow * ramp(0.02, distance, 0.2));
}

static struct colour draw_point(const struct scene *scene, struct point p, double blur) {
  struct paint paint = paint_object(scene, p, blur);
  struct colour colour = paint.colour;
  if (paint.cover < 1) colour = colour_mix(draw_behind(scene, p, blur), colour, paint.cover);
  for (int i = 0; i < scene->before_count; i++) colour = draw_prop(&scene->before[i], colour, p, blur);
  double slope = 1 + scene->light_slope * (p.x * scene->light.x + p.y * scene->light.y);
  double corner = 1 - scene->vignette * (p.x * p.x + p.y * p.y);
  return colour_scale(colour, scene->exposure * slope * corner);
}

static uint8_t to_byte(double value) { return (uint8_t)floor(clamp(value, 0, 1) * 255 + 0.5); }

/* Close to a normal distribution with deviation 1: the sum of four uniform numbers. */
static double sensor_noise(struct generator *generator) {
  uint64_t bits = generator_bits(generator);
  double sum = 0;
  for (int i = 0; i < 4; i++) sum += (double)((bits >> (16 * i)) & 0xffff) / 65536 - 0.5;
  return sum * 1.7320508;
}

void demo_draw(uint8_t *rgb, int size, int class_index, uint64_t seed) {
  enum { SAMPLES = 2 }; /* a side of a pixel */
  struct generator generator = {seed};
  struct scene scene;
  compose(&scene, class_index, &generator);
  double step = 2.0 / (size * SAMPLES);
  for (int row = 0; row < size; row++) {
    for (int column = 0; column < size; column++) {
      struct colour sum = {0, 0, 0};
      for (int sample = 0; sample < SAMPLES * SAMPLES; sample++) {
        int x = column * SAMPLES + sample % SAMPLES, y = row * SAMPLES + sample / SAMPLES;
        struct point p = {(x + 0.5) * step - 1, (y + 0.5) * step - 1};
        struct colour colour = draw_point(&scene, p, 1.5 * step);
        sum = (struct colour){sum.r + colour.r, sum.g + colour.g, sum.b + colour.b};
      }
      const double channels[3] = {sum.r, sum.g, sum.b};
      for (int c = 0; c < 3; c++) {
        double value = channels[c] / (SAMPLES * SAMPLES) + scene.grain * sensor_noise(&generator);
        rgb[((long)row * size + column) * 3 + c] = to_byte(value);
      }
    }
  }
}
