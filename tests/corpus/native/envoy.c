// A C program that calls BoringCrypto, and has what a FIPS build of Envoy says of itself.
#include <stdint.h>
#include <stdio.h>

int _goboringcrypto_SHA256_Init(void *);

const char revision[] = "0123456789abcdef0123456789abcdef01234567\0Clean\0";
// Short strings of libc++: twice the length, then the text, 24 bytes each.
const char build[48] = "\x0eRELEASE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x1c" "BoringSSL-FIPS\0";

int main(void) {
    uint64_t context[64];
    printf("%d %s %s\n", _goboringcrypto_SHA256_Init(context), revision, build + 25);
    return 0;
}
