/* Random networks of convolutions, shuffles, windows, branches and products. */
#ifndef TESTS_API_RANDOM_NET_H
#define TESTS_API_RANDOM_NET_H

#include "net.h"

/* Below n; moves the seed on. */
uint32_t random_below(uint32_t *seed, uint32_t n);
/* An image, `steps` layers on it, and a classifier over all of it. The same seed makes the same network. */
clast_model *random_network(net *g, const extents *e, uint32_t seed, int steps);

#endif
