/* Looking at pages that the program writes. */
#ifndef TESTS_HTML_H
#define TESTS_HTML_H

#include <stdbool.h>
#include <stddef.h>

/* Every element that is opened is closed in turn; of HTML's void elements only these are used: meta, br, img, link.
 * problem: the first one that is not. */
bool is_well_formed(const char *html, char *problem, size_t size);

#endif
