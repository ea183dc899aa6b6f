#include "services/cache/remote/ollama_key.h"

#include "common/base/file.h"
#include "common/base/json.h"
#include "services/cache/apps/adapter.h"
#include "services/cache/remote/oci_login.h"
#include "services/cache/transfer/fetch.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"

/*  base64 of the hash of an empty body, which a GET has, in hex digits. */
#define EMPTY_BODY                                                                                 \
    "ZTNiMGM0NDI5OGZjMWMxNDlhZmJmNGM4OTk2ZmI5MjQyN2FlNDFlNDY0OWI5MzRjYTQ5NTk5MWI3ODUyYjg1NQ=="

enum {
    NONCE_BYTES = 16,
    SIGNATURE_BYTES = 64
};

/* ---- the file ---- */

typedef struct {
    const unsigned char *at;
    size_t left;
} cursor_t;

/*  The next string of an ssh structure: four bytes of length, then the bytes. */
static bool next_string(cursor_t *c, cursor_t *out)
{
    if (c->left < 4)
        return false;
    size_t len = (size_t)c->at[0] << 24 | (size_t)c->at[1] << 16 | (size_t)c->at[2] << 8 | c->at[3];
    if (len > c->left - 4)
        return false;
    *out = (cursor_t){.at = c->at + 4, .left = len};
    c->at += 4 + len;
    c->left -= 4 + len;
    return true;
}

static bool skip(cursor_t *c, size_t len)
{
    if (c->left < len)
        return false;
    c->at += len;
    c->left -= len;
    return true;
}

static bool next_is(cursor_t *c, const char *text)
{
    cursor_t s;
    return next_string(c, &s) && s.left == strlen(text) && memcmp(s.at, text, s.left) == 0;
}

/*  The private part: two equal numbers, the type, the public key, seed and public key again. */
static int read_private(cursor_t c, mlx_ollama_key_t *key)
{
    cursor_t public_key, pair;
    if (c.left < 8 || memcmp(c.at, c.at + 4, 4) != 0 || !skip(&c, 8) ||
        !next_is(&c, "ssh-ed25519") || !next_string(&c, &public_key) || !next_string(&c, &pair) ||
        public_key.left != MLX_ED25519_BYTES || pair.left != sizeof *key ||
        memcmp(public_key.at, pair.at + MLX_ED25519_BYTES, MLX_ED25519_BYTES) != 0)
        return -1;
    memcpy(key->seed, pair.at, MLX_ED25519_BYTES);
    memcpy(key->public_key, public_key.at, MLX_ED25519_BYTES);
    return 0;
}

static int read_key(cursor_t c, mlx_ollama_key_t *key, mlx_error_t *err)
{
    static const char magic[] = "openssh-key-v1";            /* its NUL counts */
    static const char *const plain[] = {"none", "none", ""}; /* cipher, derivation, its options */
    static const unsigned char one[] = {0, 0, 0, 1};
    cursor_t public_part, private_part;
    if (c.left < sizeof magic || memcmp(c.at, magic, sizeof magic) != 0 || !skip(&c, sizeof magic))
        return mlx_error_set(err, MLX_ERR_USAGE, "it is not an OpenSSH key");
    for (size_t i = 0; i < MLX_COUNT(plain); i++)
        if (!next_is(&c, plain[i]))
            return mlx_error_set(err, MLX_ERR_USAGE, "it has a passphrase");
    if (c.left < sizeof one || memcmp(c.at, one, sizeof one) != 0 || !skip(&c, sizeof one) ||
        !next_string(&c, &public_part) || !next_string(&c, &private_part) ||
        read_private(private_part, key))
        return mlx_error_set(err, MLX_ERR_USAGE, "it is not an ed25519 key, or it is damaged");
    return 0;
}

int mlx_ollama_key_parse(const char *pem, size_t len, mlx_ollama_key_t *key, mlx_error_t *err)
{
    unsigned char bytes[MLX_OLLAMA_KEY_MAX];
    int got = 0, rest = 0;
    *key = (mlx_ollama_key_t){{0}, {0}};
    MLX_CLEANUP(mlx_free_p) char *text = mlx_strndup(pem, len < sizeof bytes ? len : 0);
    const char *start = strstr(text, BEGIN);
    const char *end = start ? strstr(start, END) : NULL;
    if (!end)
        return mlx_error_set(err, MLX_ERR_USAGE, "it is not an OpenSSH key");
    start += strlen(BEGIN);
    EVP_ENCODE_CTX *decode = EVP_ENCODE_CTX_new();
    EVP_DecodeInit(decode);
    bool sound = EVP_DecodeUpdate(decode, bytes, &got, (const unsigned char *)start,
                                  (int)(end - start)) >= 0 &&
                 EVP_DecodeFinal(decode, bytes + got, &rest) >= 0;
    EVP_ENCODE_CTX_free(decode);
    int rc = sound ? read_key((cursor_t){.at = bytes, .left = (size_t)(got + rest)}, key, err)
                   : mlx_error_set(err, MLX_ERR_USAGE, "it is not valid base64");
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, strlen(text));
    return rc;
}

void mlx_ollama_key_clear(mlx_ollama_key_t *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

/* ---- signing ---- */

static char *base64(const unsigned char *bytes, size_t len)
{
    unsigned char *text = mlx_alloc(len * 2 + 8, 1);
    EVP_EncodeBlock(text, bytes, (int)len);
    return (char *)text;
}

static bool sign(const mlx_ollama_key_t *key, const char *text, unsigned char out[SIGNATURE_BYTES])
{
    size_t len = SIGNATURE_BYTES;
    EVP_PKEY *private_key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->seed, sizeof key->seed);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = private_key && EVP_DigestSignInit(ctx, NULL, NULL, NULL, private_key) == 1 &&
                EVP_DigestSign(ctx, out, &len, (const unsigned char *)text, strlen(text)) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(private_key);
    return done && len == SIGNATURE_BYTES;
}

char *mlx_ollama_key_sign(const mlx_ollama_key_t *key, const char *text, mlx_error_t *err)
{
    static const unsigned char head[] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";
    unsigned char public_key[sizeof head - 1 + MLX_ED25519_BYTES], signature[SIGNATURE_BYTES];
    memcpy(public_key, head, sizeof head - 1);
    memcpy(public_key + sizeof head - 1, key->public_key, MLX_ED25519_BYTES);
    if (!sign(key, text, signature)) {
        mlx_error_set(err, MLX_ERR_FAILED, "cannot sign with the key of ~/.ollama");
        return NULL;
    }
    MLX_CLEANUP(mlx_free_p) char *a = base64(public_key, sizeof public_key);
    MLX_CLEANUP(mlx_free_p) char *b = base64(signature, sizeof signature);
    return mlx_format("%s:%s", a, b);
}

/* ---- the token ---- */

static char *nonce(void)
{
    unsigned char bytes[NONCE_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        mlx_panic("no random bytes available");
    char *text = base64(bytes, sizeof bytes);
    for (char *c = text; *c; c++)
        *c = *c == '+' ? '-' : (*c == '/' ? '_' : (*c == '=' ? '\0' : *c));
    return text;
}

/*  In the order in which the registry's own client sorts them: it signs what it sends. */
static char *token_url(const mlx_challenge_t *challenge, int64_t now_s)
{
    const char *realm = challenge->realm;
    MLX_CLEANUP(mlx_free_p) char *scopes = mlx_strdup(challenge->scope);
    MLX_CLEANUP(mlx_free_p) char *once = nonce();
    MLX_CLEANUP(mlx_free_p)
    char *who = mlx_url_encode(challenge->service ? challenge->service : "", false);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t url = {0};
    mlx_buf_printf(&url, "%s%cnonce=%s", realm, strchr(realm, '?') ? '&' : '?', once);
    char *rest = NULL;
    for (char *scope = scopes ? strtok_r(scopes, " ", &rest) : NULL; scope;
         scope = strtok_r(NULL, " ", &rest)) {
        MLX_CLEANUP(mlx_free_p) char *encoded = mlx_url_encode(scope, false);
        mlx_buf_printf(&url, "&scope=%s", encoded);
    }
    mlx_buf_printf(&url, "&service=%s&ts=%" PRId64, who, now_s);
    return mlx_buf_take(&url);
}

/*  1 and the signature of the request for URL; 0: there is no key. */
static int signature_of(const mlx_env_t *env, const char *url, char **auth, mlx_error_t *err)
{
    mlx_error_t why = {0};
    size_t len;
    *auth = NULL;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_env_path(env, "HOME", "/.ollama/id_ed25519");
    MLX_CLEANUP(mlx_free_p)
    char *pem = path ? mlx_file_read(path, MLX_OLLAMA_KEY_MAX, &len, &why) : NULL;
    if (!pem && (!path || why.code == MLX_ERR_NOT_FOUND))
        return 0;
    mlx_ollama_key_t key = {{0}, {0}};
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("GET,%s," EMPTY_BODY, url);
    if (pem && mlx_ollama_key_parse(pem, len, &key, &why) == 0)
        *auth = mlx_ollama_key_sign(&key, text, &why);
    if (pem)
        OPENSSL_cleanse(pem, len);
    mlx_ollama_key_clear(&key);
    if (*auth)
        return 1;
    mlx_error_set(err, why.code, "the key %s cannot be used: %s", path, why.text);
    return mlx_error_hint(err, "Ollama itself logs in with it: ollama signin renews it");
}

static char *ask_token(const char *url, const char *auth, const char *origin, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (mlx_fetch(&(mlx_fetch_t){.url = url, .auth = auth}, &reply, err))
        return NULL;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *answer = mlx_json_parse(mlx_buf_str(&reply.body), reply.body.len, NULL);
    const char *token = mlx_value_str(answer, "token");
    if (reply.status == 200 && token && *token && !strpbrk(token, "\r\n "))
        return mlx_format("Bearer %s", token);
    mlx_error_set(err, MLX_ERR_FAILED, "%s requires a login%s", origin,
                  auth ? "and does not accept the key in ~/.ollama" : "");
    mlx_error_hint(err, auth ? "add ~/.ollama/id_ed25519.pub to your account on that registry"
                             : "ollama signin creates the key ~/.ollama/id_ed25519");
    return NULL;
}

char *mlx_ollama_login(const mlx_env_t *env, const char *origin, const char *header, int64_t now_s,
                       mlx_error_t *err)
{
    MLX_CLEANUP(mlx_challenge_clear)
    mlx_challenge_t challenge = mlx_challenge_parse(header);
    MLX_CLEANUP(mlx_free_p)
    char *there = challenge.realm ? mlx_url_origin(challenge.realm, NULL) : NULL;
    if (!there) {
        mlx_error_set(err, MLX_ERR_FAILED, "%s requires an unsupported kind of login", origin);
        return NULL;
    }
    if (strcasecmp(there, origin) != 0) {
        mlx_error_set(err, MLX_ERR_FAILED, "%s redirects its login to another host, %s: refused",
                      origin, there);
        return NULL;
    }
    MLX_CLEANUP(mlx_free_p) char *url = token_url(&challenge, now_s);
    MLX_CLEANUP(mlx_free_p) char *auth = NULL;
    if (signature_of(env, url, &auth, err) < 0)
        return NULL;
    return ask_token(url, auth, origin, err);
}
