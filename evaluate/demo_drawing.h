/* Draws one photo-like picture: a patterned object among clutter, lit from one side. */
#ifndef EVALUATE_DEMO_DRAWING_H
#define EVALUATE_DEMO_DRAWING_H

#include <stdint.h>

/* Five shapes times two patterns. Shape alone or pattern alone tells only half; colours, place, size, turn, light,
 * background and what stands in front are random and the same for all classes, and the clutter is striped and spotted
 * too. */
enum { DEMO_CLASSES = 10 };
extern const char *const demo_class_names[DEMO_CLASSES]; /* in sorted order */

/* Draw into rgb ([size, size, 3] bytes). The same bytes for the same class, seed and size on every machine. */
void demo_draw(uint8_t *rgb, int size, int class_index, uint64_t seed);

#endif
