// What a cryptographic library of another maker says of itself, given as TEXTS, and no cryptography.
#include <stdio.h>

const char *const texts[] = {TEXTS};

int library_version(int index) {
    return puts(texts[index]);
}
