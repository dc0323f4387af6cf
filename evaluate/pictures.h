/* Pictures named on a command line, in folders or in tars: a data set without labels. */
#ifndef EVALUATE_PICTURES_H
#define EVALUATE_PICTURES_H

#include "evaluate/dataset.h"

/* Add to a set that is zeroed or was filled by this function: the file `path`, whatever its name; or of a folder or a
 * tar every file below it with a picture's extension, sorted by path. "TAR:INNER" is one member, or what lies in a
 * folder of the tar. A sample's path is what this function would take. A file that cannot be opened is a sample all the
 * same, which dataset_image() fails to read; FAILED when a folder or a tar cannot be listed or holds no picture. */
int pictures_add(struct dataset *dataset, const char *path, error *e);

#endif
