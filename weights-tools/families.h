/* The registry of families: X(name) for each name whose key table is keys_NAME (weights-tools/keys_NAME.c) and whose
 * network is family_NAME (models/NAME.c). A family is recognised by the first that knows its tensors. */
#ifndef WEIGHTS_TOOLS_FAMILIES_H
#define WEIGHTS_TOOLS_FAMILIES_H

#define FAMILIES(X) X(resnet) X(convnext) X(swin) X(clip) X(vit)

#endif
