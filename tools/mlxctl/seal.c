#include "seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

enum {
    HASH = 32,
    SIGNATURE = 64,
};

static const char format[] = "mlx-bench-1";

/* ---- canonical JSON ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp(mlx_value_key(*(const mlx_value_t *const *)a, 0),
                  mlx_value_key(*(const mlx_value_t *const *)b, 0));
}

static void put_map(mlx_buf_t *out, const mlx_value_t *map)
{
    size_t count = mlx_value_size(map);
    mlx_value_t **entries = mlx_alloc(count + 1, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        entries[i] = mlx_value_map();
        mlx_value_set(entries[i], mlx_value_key(map, i), mlx_value_copy(mlx_value_at(map, i)));
    }
    qsort(entries, count, sizeof(entries[0]), by_key);
    mlx_buf_putc(out, '{');
    for (size_t i = 0; i < count; i++) {
        const char *key = mlx_value_key(entries[i], 0);
        mlx_buf_puts(out, i ? "," : "");
        mlx_json_write_str(out, key, strlen(key));
        mlx_buf_putc(out, ':');
        mlx_canonical_json(out, mlx_value_at(entries[i], 0));
        mlx_value_destroy(&entries[i]);
    }
    mlx_buf_putc(out, '}');
    free(entries);
}

void mlx_canonical_json(mlx_buf_t *out, const mlx_value_t *value)
{
    if (mlx_value_type(value) == MLX_MAP) {
        put_map(out, value);
    } else if (mlx_value_type(value) == MLX_LIST) {
        mlx_buf_putc(out, '[');
        for (size_t i = 0; i < mlx_value_size(value); i++) {
            mlx_buf_puts(out, i ? "," : "");
            mlx_canonical_json(out, mlx_value_at(value, i));
        }
        mlx_buf_putc(out, ']');
    } else {
        mlx_json_write(out, value, false);
    }
}

/* ---- hash and signature ---- */

static void hash_of(const void *data, size_t len, unsigned char hash[HASH])
{
    unsigned int size = HASH;
    if (!EVP_Digest(data, len, hash, &size, EVP_sha256(), NULL))
        abort(); /* only without memory */
}

static void put_hex(const unsigned char *bytes, size_t count, char *hex)
{
    for (size_t i = 0; i < count; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static bool take_hex(const char *hex, unsigned char *bytes, size_t count)
{
    if (!hex || strlen(hex) != 2 * count || strspn(hex, "0123456789abcdef") != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

/*  SHA-256 of a label and the secret: reveals nothing about the secret, and is useless
 *  elsewhere. */
static EVP_PKEY *signing_key(const unsigned char secret[MLX_KEY_SECRET_BYTES])
{
    static const char label[] = "mlx-bench-signing-1";
    unsigned char text[sizeof label + MLX_KEY_SECRET_BYTES], seed[HASH];
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, secret, MLX_KEY_SECRET_BYTES);
    hash_of(text, sizeof text, seed);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    OPENSSL_cleanse(text, sizeof text);
    OPENSSL_cleanse(seed, sizeof seed);
    return key;
}

static bool public_half(EVP_PKEY *key, char hex[MLX_SEAL_HEX])
{
    unsigned char bytes[HASH];
    size_t len = sizeof bytes;
    if (!key || !EVP_PKEY_get_raw_public_key(key, bytes, &len) || len != sizeof bytes)
        return false;
    put_hex(bytes, sizeof bytes, hex);
    return true;
}

int mlx_seal_key(const unsigned char secret[MLX_KEY_SECRET_BYTES], char hex[MLX_SEAL_HEX],
                 mlx_error_t *err)
{
    EVP_PKEY *key = signing_key(secret);
    bool done = public_half(key, hex);
    EVP_PKEY_free(key);
    return done ? 0 : mlx_error_set(err, MLX_ERR_FAILED, "this OpenSSL has no Ed25519");
}

static void hash_result(const mlx_value_t *result, unsigned char hash[HASH])
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_canonical_json(&text, result);
    hash_of(text.data, text.len, hash);
}

mlx_value_t *mlx_seal(const mlx_value_t *result, const unsigned char secret[MLX_KEY_SECRET_BYTES],
                      mlx_error_t *err)
{
    unsigned char hash[HASH], signature[SIGNATURE];
    char hash_hex[MLX_SEAL_HEX], key_hex[MLX_SEAL_HEX], signature_hex[2 * SIGNATURE + 1];
    size_t len = sizeof signature;
    EVP_PKEY *key = signing_key(secret);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    hash_result(result, hash);
    bool done = public_half(key, key_hex) && context &&
                EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, signature, &len, hash, sizeof hash) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    if (!done) {
        mlx_error_set(err, MLX_ERR_FAILED, "the result cannot be signed: no Ed25519 in OpenSSL");
        return NULL;
    }
    put_hex(hash, sizeof hash, hash_hex);
    put_hex(signature, sizeof signature, signature_hex);
    mlx_value_t *sealed = mlx_value_map();
    mlx_value_set_str(sealed, "format", format);
    mlx_value_set(sealed, "result", mlx_value_copy(result));
    mlx_value_set_str(sealed, "sha256", hash_hex);
    mlx_value_set_str(sealed, "key", key_hex);
    mlx_value_set_str(sealed, "signature", signature_hex);
    return sealed;
}

static bool verified(const unsigned char public_key[HASH], const unsigned char hash[HASH],
                     const unsigned char signature[SIGNATURE])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, HASH);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fits = key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, SIGNATURE, hash, HASH) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return fits;
}

int mlx_seal_check(const mlx_value_t *sealed, mlx_error_t *err)
{
    unsigned char told[HASH], key[HASH], signature[SIGNATURE], hash[HASH];
    const char *said = mlx_value_str(sealed, "format");
    const mlx_value_t *result = mlx_value_get(sealed, "result");
    if (!said || strcmp(said, format) != 0 || mlx_value_type(result) != MLX_MAP ||
        !take_hex(mlx_value_str(sealed, "sha256"), told, sizeof told) ||
        !take_hex(mlx_value_str(sealed, "key"), key, sizeof key) ||
        !take_hex(mlx_value_str(sealed, "signature"), signature, sizeof signature))
        return mlx_error_set(err, MLX_ERR_USAGE, "this is not a sealed benchmark result");
    hash_result(result, hash);
    if (memcmp(hash, told, sizeof hash) != 0)
        return mlx_error_set(err, MLX_ERR_DATA_LOSS,
                             "the result was changed: its SHA-256 is not the one that was sealed");
    if (!verified(key, hash, signature))
        return mlx_error_set(err, MLX_ERR_DATA_LOSS, "the signature does not fit the result");
    return 0;
}
