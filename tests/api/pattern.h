/* The patterns that break converters: pattern.def lists them, pattern_*.c hold a builder for each. */
#ifndef TESTS_API_PATTERN_H
#define TESTS_API_PATTERN_H

#include "net.h"

#define PATTERN(number, name, ...) void pattern_##name(net *g);
#include "pattern.def"
#undef PATTERN

#endif
