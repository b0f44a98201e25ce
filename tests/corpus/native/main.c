// The least of a C program that calls BoringCrypto.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int _goboringcrypto_SHA256_Init(void *);
int _goboringcrypto_SHA256_Update(void *, const void *, size_t);
int _goboringcrypto_SHA256_Final(uint8_t *, void *);

int main(void) {
    uint64_t context[64];
    uint8_t sum[32];
    _goboringcrypto_SHA256_Init(context);
    _goboringcrypto_SHA256_Update(context, "glooistio", 9);
    _goboringcrypto_SHA256_Final(sum, context);
    printf("%02x\n", sum[0]);
    return 0;
}
