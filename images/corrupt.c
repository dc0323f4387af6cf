#include "images/corrupt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/jpeg_write.h"
#include "images/random.h"
#include "images/resize.h"
#include "kernels/memory.h"

static const char *const names[CORRUPTIONS] = {"gaussian_noise", "shot_noise",    "impulse_noise",
                                               "defocus_blur",   "gaussian_blur", "brightness",
                                               "contrast",       "pixelate",      "jpeg_compression"};

const char *corruption_name(enum corruption corruption) { return names[corruption]; }

int corruption_from_name(enum corruption *corruption, const char *name, error *e) {
  char known[256] = "";
  for (int i = 0; i < CORRUPTIONS; i++) {
    if (!strcmp(names[i], name)) {
      *corruption = (enum corruption)i;
      return OK;
    }
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names[i]);
  }
  return usage_error(e, "corruption %.40s is not known: %s are", name, known);
}

int corruption_read(struct corruption_choice *choice, const char *text, error *e) {
  char name[40];
  int severity, used = 0;
  if (sscanf(text, "%39[a-z_]:%2d%n", name, &severity, &used) != 2 || text[used] || severity < 1 ||
      severity > MOST_SEVERE) {
    return usage_error(e, "is not NAME:SEVERITY with a severity from 1 to 5");
  }
  choice->severity = severity;
  return corruption_from_name(&choice->kind, name, e);
}

/* A number in [0, 1] to a byte, cut as NumPy's astype does. */
static uint8_t to_byte(double x) { return (uint8_t)(x <= 0 ? 0 : x >= 1 ? 255 : x * 255); }

static size_t byte_count(const struct image *image) { return 3 * (size_t)image->width * (size_t)image->height; }

/* ---- noise --------------------------------------------------------------------------------------------------------*/

static void gaussian_noise(struct image *image, double deviation, struct random_stream *r) {
  for (size_t i = 0; i < byte_count(image); i++) {
    image->rgb[i] = to_byte(image->rgb[i] / 255.0 + deviation * stream_normal(r));
  }
}

/* Poisson, by adding up probabilities: the means are at most 60. none: the probability of 0. */
static int random_poisson(struct random_stream *r, double mean, double none) {
  double left = stream_uniform(r), probability = none;
  int count = 0;
  for (; left >= probability && count < 400; count++) {
    left -= probability;
    probability *= mean / (count + 1);
  }
  return count;
}

static void shot_noise(struct image *image, double photons, struct random_stream *r) {
  double none[256];
  for (int byte = 0; byte < 256; byte++) none[byte] = exact_exp(-byte / 255.0 * photons);
  for (size_t i = 0; i < byte_count(image); i++) {
    uint8_t byte = image->rgb[i];
    image->rgb[i] = to_byte(random_poisson(r, byte / 255.0 * photons, none[byte]) / photons);
  }
}

/* Salt and pepper in equal parts. */
static void impulse_noise(struct image *image, double share, struct random_stream *r) {
  for (size_t i = 0; i < byte_count(image); i++) {
    double x = stream_uniform(r);
    if (x < share) image->rgb[i] = x < share / 2 ? 255 : 0;
  }
}

/* ---- blur ---------------------------------------------------------------------------------------------------------*/

enum { MOST_RADIUS = 32 };

/* The place of i in a line of n that is mirrored at its ends without repeating them (OpenCV's default border). */
static int reflect(int i, int n) {
  if (n == 1) return 0;
  int period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

/* Weights of a normal curve at -radius to radius, their sum 1. */
static void gaussian_weights(double sigma, int radius, double *weights) {
  double sum = 0;
  for (int i = -radius; i <= radius; i++) sum += weights[i + radius] = exact_exp(-0.5 * i * i / (sigma * sigma));
  for (int i = 0; i <= 2 * radius; i++) weights[i] /= sum;
}

/* skimage.filters.gaussian: four deviations wide, the nearest pixel goes on beyond the edge; rows, then columns. */
static int gaussian_blur(struct image *image, double sigma, error *e) {
  int radius = (int)(4 * sigma + 0.5), width = image->width, height = image->height;
  double weights[2 * MOST_RADIUS + 1];
  double *between = allocate(byte_count(image), sizeof *between, e);
  if (!between) return FAILED;
  gaussian_weights(sigma, radius, weights);
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < 3 * width; x++) {
      double sum = 0;
      for (int k = -radius; k <= radius; k++) {
        int from = y + k < 0 ? 0 : y + k >= height ? height - 1 : y + k;
        sum += weights[k + radius] * image->rgb[3 * (size_t)from * (size_t)width + (size_t)x];
      }
      between[3 * (size_t)y * (size_t)width + (size_t)x] = sum / 255;
    }
  }
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < 3 * width; x++) {
      const double *line = between + 3 * (size_t)y * (size_t)width;
      double sum = 0;
      for (int k = -radius; k <= radius; k++) {
        int column = x / 3 + k, from = column < 0 ? 0 : column >= width ? width - 1 : column;
        sum += weights[k + radius] * line[3 * from + x % 3];
      }
      image->rgb[3 * (size_t)y * (size_t)width + (size_t)x] = to_byte(sum);
    }
  }
  free(between);
  return OK;
}

enum { DISK_REACH = 12, DISK_SIDE = 2 * DISK_REACH + 1 };

/* A disk whose edge is softened by a small Gaussian (cv2.GaussianBlur of 3 or 5 taps). Returns how far it reaches. */
static int make_disk(double radius, double softness, double disk[DISK_SIDE][DISK_SIDE]) {
  int reach = radius <= 8 ? 8 : (int)radius, taps = radius <= 8 ? 1 : 2;
  double hard[DISK_SIDE][DISK_SIDE] = {{0}}, weights[2 * 2 + 1], sum = 0;
  for (int y = -reach; y <= reach; y++) {
    for (int x = -reach; x <= reach; x++) {
      hard[y + reach][x + reach] = x * x + y * y <= radius * radius;
      sum += hard[y + reach][x + reach];
    }
  }
  gaussian_weights(softness, taps, weights);
  for (int y = 0; y <= 2 * reach; y++) {
    for (int x = 0; x <= 2 * reach; x++) {
      double soft = 0;
      for (int i = -taps; i <= taps; i++) {
        for (int k = -taps; k <= taps; k++) {
          double from = hard[reflect(y + i, 2 * reach + 1)][reflect(x + k, 2 * reach + 1)];
          soft += weights[i + taps] * weights[k + taps] * from;
        }
      }
      disk[y][x] = soft / sum;
    }
  }
  return reach;
}

static int defocus_blur(struct image *image, double radius, double softness, error *e) {
  double disk[DISK_SIDE][DISK_SIDE] = {{0}};
  int reach = make_disk(radius, softness, disk), width = image->width, height = image->height;
  uint8_t *sharp = allocate(byte_count(image), 1, e);
  if (!sharp) return FAILED;
  memcpy(sharp, image->rgb, byte_count(image));
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      double sums[3] = {0};
      for (int i = -reach; i <= reach; i++) {
        const uint8_t *line = sharp + 3 * (size_t)reflect(y + i, height) * (size_t)width;
        for (int k = -reach; k <= reach; k++) {
          double weight = disk[i + reach][k + reach];
          const uint8_t *pixel = line + 3 * (size_t)reflect(x + k, width);
          for (int c = 0; c < 3 && weight > 0; c++) sums[c] += weight * pixel[c];
        }
      }
      for (int c = 0; c < 3; c++)
        image->rgb[3 * ((size_t)y * (size_t)width + (size_t)x) + (size_t)c] = to_byte(sums[c] / 255);
    }
  }
  free(sharp);
  return OK;
}

/* ---- light --------------------------------------------------------------------------------------------------------*/

/* The value of HSV raised, hue and saturation kept: all channels scaled alike, black becomes gray. */
static void brightness(struct image *image, double more) {
  for (size_t i = 0; i < byte_count(image); i += 3) {
    uint8_t *p = image->rgb + i, most = p[0] > p[1] ? p[0] : p[1];
    if (p[2] > most) most = p[2];
    double value = most / 255.0, raised = value + more < 1 ? value + more : 1;
    for (int c = 0; c < 3; c++) p[c] = to_byte(most ? p[c] / 255.0 * (raised / value) : raised);
  }
}

/* Nearer to each channel's mean. */
static void contrast(struct image *image, double kept) {
  size_t pixels = byte_count(image) / 3;
  for (size_t c = 0; c < 3; c++) {
    double sum = 0;
    for (size_t i = 0; i < pixels; i++) sum += image->rgb[3 * i + c] / 255.0;
    double mean = sum / (double)pixels;
    for (size_t i = 0; i < pixels; i++) {
      uint8_t *p = image->rgb + 3 * i + c;
      *p = to_byte((*p / 255.0 - mean) * kept + mean);
    }
  }
}

/* ---- digital ------------------------------------------------------------------------------------------------------*/

static int pixelate(struct image *image, double scale, error *e) {
  int width = (int)(image->width * scale), height = (int)(image->height * scale);
  struct image small, large;
  if (resize(image, width > 0 ? width : 1, height > 0 ? height : 1, FILTER_BOX, NULL, &small, e) != OK) return FAILED;
  int status = resize(&small, image->width, image->height, FILTER_BOX, NULL, &large, e);
  if (status == OK) {
    memcpy(image->rgb, large.rgb, byte_count(image));
    image_free(&large);
  }
  image_free(&small);
  return status;
}

static int compress(struct image *image, int quality, error *e) {
  uint8_t *bytes;
  size_t size;
  struct image back;
  if (jpeg_encode(image, quality, &bytes, &size, e) != OK) return FAILED;
  int status = jpeg_decode(&back, bytes, size, NULL, e);
  free(bytes);
  if (status == OK) {
    memcpy(image->rgb, back.rgb, byte_count(image));
    image_free(&back);
  }
  return status;
}

int corrupt(struct image *image, const struct corruption_choice *choice, const char *key, error *e) {
  static const double amounts[CORRUPTIONS][MOST_SEVERE] = {
      [CORRUPT_GAUSSIAN_NOISE] = {0.08, 0.12, 0.18, 0.26, 0.38}, /* deviation */
      [CORRUPT_SHOT_NOISE] = {60, 25, 12, 5, 3},                 /* photons of white */
      [CORRUPT_IMPULSE_NOISE] = {0.03, 0.06, 0.09, 0.17, 0.27},  /* share */
      [CORRUPT_DEFOCUS_BLUR] = {3, 4, 6, 8, 10},                 /* radius */
      [CORRUPT_GAUSSIAN_BLUR] = {1, 2, 3, 4, 6},                 /* deviation, pixels */
      [CORRUPT_BRIGHTNESS] = {0.1, 0.2, 0.3, 0.4, 0.5},          /* added to the value */
      [CORRUPT_CONTRAST] = {0.4, 0.3, 0.2, 0.1, 0.05},           /* kept */
      [CORRUPT_PIXELATE] = {0.6, 0.5, 0.4, 0.3, 0.25},           /* scale */
      [CORRUPT_JPEG] = {25, 18, 15, 10, 7},                      /* quality */
  };
  int severity = choice->severity;
  if (severity < 1 || severity > MOST_SEVERE) return usage_error(e, "severity %d is not within 1 to 5", severity);
  double amount = amounts[choice->kind][severity - 1];
  struct random_stream r = stream_begin(choice->seed, key, (uint64_t)choice->kind * 8 + (uint64_t)severity);
  switch (choice->kind) {
    case CORRUPT_GAUSSIAN_NOISE:
      gaussian_noise(image, amount, &r);
      break;
    case CORRUPT_SHOT_NOISE:
      shot_noise(image, amount, &r);
      break;
    case CORRUPT_IMPULSE_NOISE:
      impulse_noise(image, amount, &r);
      break;
    case CORRUPT_DEFOCUS_BLUR:
      return defocus_blur(image, amount, severity == 1 ? 0.1 : 0.5, e);
    case CORRUPT_GAUSSIAN_BLUR:
      return gaussian_blur(image, amount, e);
    case CORRUPT_BRIGHTNESS:
      brightness(image, amount);
      break;
    case CORRUPT_CONTRAST:
      contrast(image, amount);
      break;
    case CORRUPT_PIXELATE:
      return pixelate(image, amount, e);
    case CORRUPT_JPEG:
      return compress(image, (int)amount, e);
    case CORRUPTIONS:
      break;
  }
  return OK;
}
