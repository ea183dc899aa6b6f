#include "darwin_smc.h"
#include "darwin_get.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SELECTOR = 2,
    COMMAND_READ = 5,
    COMMAND_NAME = 8,
    COMMAND_INFO = 9,
    VALUE_MAX = 32
};

typedef struct {
    uint32_t key;
    struct {
        uint8_t major, minor, build, reserved;
        uint16_t release;
    } version;
    struct {
        uint16_t version, length;
        uint32_t cpu, gpu, memory;
    } limits;
    struct {
        uint32_t size, type;
        uint8_t attributes;
    } info;
    uint8_t result;
    uint8_t status;
    uint8_t command;
    uint32_t index;
    uint8_t value[VALUE_MAX];
} packet_t;

_Static_assert(sizeof(packet_t) == 80 && offsetof(packet_t, info) == 28 &&
                   offsetof(packet_t, command) == 42 && offsetof(packet_t, value) == 48,
               "the controller's struct");

struct mlx_smc {
    io_connect_t connection;
};

#define CODE(a, b, c, d)                                                                           \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static double decode_flt(const uint8_t *v)
{
    float f;
    uint32_t bits =
        (uint32_t)v[0] | (uint32_t)v[1] << 8 | (uint32_t)v[2] << 16 | (uint32_t)v[3] << 24;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/*  48 bits before the point and 16 behind, little-endian. */
static double decode_ioft(const uint8_t *v)
{
    uint64_t fixed = 0;
    for (unsigned i = 0; i < 8; i++)
        fixed |= (uint64_t)v[i] << 8 * i;
    return (double)fixed / 65536;
}

static double decode_si16(const uint8_t *v)
{
    return (int16_t)(uint16_t)(v[0] << 8 | v[1]);
}

static double decode_si8(const uint8_t *v)
{
    return (int8_t)v[0];
}

static double decode_ui8(const uint8_t *v)
{
    return v[0];
}

static double decode_ui16(const uint8_t *v)
{
    return v[0] << 8 | v[1];
}

static double decode_ui32(const uint8_t *v)
{
    return (double)CODE(v[0], v[1], v[2], v[3]);
}

static const struct {
    uint32_t type;
    uint32_t size;
    double (*decode)(const uint8_t *value);
} types[] = {
    {CODE('f', 'l', 't', ' '), 4, decode_flt},  {CODE('i', 'o', 'f', 't'), 8, decode_ioft},
    {CODE('u', 'i', '8', ' '), 1, decode_ui8},  {CODE('u', 'i', '1', '6'), 2, decode_ui16},
    {CODE('u', 'i', '3', '2'), 4, decode_ui32}, {CODE('s', 'i', '8', ' '), 1, decode_si8},
    {CODE('s', 'i', '1', '6'), 2, decode_si16},
};

static int hex_digit(uint32_t character)
{
    if (character >= '0' && character <= '9')
        return (int)(character - '0');
    return character >= 'a' && character <= 'f' ? (int)(character - 'a' + 10) : -1;
}

/*  Intel's Macs have big-endian numbers of 16 bits with the point anywhere: "fpe2" has 14 bits
 *  before it and 2 behind, "sp78" a sign, 7 and 8. False when TYPE is none of them. */
static bool fixed_point(uint32_t type, bool *is_signed, int *behind)
{
    int before = hex_digit(type >> 8 & 0xff);
    *behind = hex_digit(type & 0xff);
    *is_signed = type >> 16 == ('s' << 8 | 'p');
    if ((!*is_signed && type >> 16 != ('f' << 8 | 'p')) || before < 0 || *behind < 0)
        return false;
    return before + *behind == (*is_signed ? 15 : 16);
}

/*  False when KEY is not of a type that is a number. VALUE NULL: is it? */
static bool decode(const mlx_smc_key_t *key, const uint8_t *value, double *number)
{
    bool is_signed;
    int behind;
    for (size_t i = 0; i < MLX_COUNT(types); i++)
        if (types[i].type == key->type && types[i].size == key->size) {
            *number = value ? types[i].decode(value) : 0;
            return true;
        }
    if (key->size != 2 || !fixed_point(key->type, &is_signed, &behind))
        return false;
    if (value)
        *number = ldexp(is_signed ? decode_si16(value) : decode_ui16(value), -behind);
    return true;
}

static bool call(mlx_smc_t *self, const packet_t *in, packet_t *out)
{
    size_t size = sizeof *out;
    *out = (packet_t){0};
    return IOConnectCallStructMethod(self->connection, SELECTOR, in, sizeof *in, out, &size) ==
               KERN_SUCCESS &&
           size == sizeof *out && out->result == 0;
}

mlx_smc_t *mlx_smc_new(mlx_error_t *err)
{
    /* Apple Silicon has several services of the class; Intel Macs one, of another name. */
    MLX_CLEANUP(mlx_io_release_p)
    io_object_t service = mlx_io_find("AppleSMC", "AppleSMCKeysEndpoint");
    if (!service)
        service = mlx_io_find("AppleSMC", "AppleSMC");
    if (!service) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "this machine has no AppleSMC");
        return NULL;
    }
    io_connect_t connection = 0;
    kern_return_t result = IOServiceOpen(service, mach_task_self(), 0, &connection);
    if (result != KERN_SUCCESS) {
        mlx_error_set(err, MLX_ERR_FAILED, "AppleSMC refused the connection: 0x%x",
                      (unsigned)result);
        return NULL;
    }
    mlx_smc_t *self = mlx_alloc(1, sizeof *self);
    self->connection = connection;
    return self;
}

void mlx_smc_destroy(mlx_smc_t **self)
{
    if (!*self)
        return;
    IOServiceClose((*self)->connection);
    free(*self);
    *self = NULL;
}

uint32_t mlx_smc_count(mlx_smc_t *self)
{
    mlx_smc_key_t key;
    double count = 0;
    if (!mlx_smc_key(self, "#KEY", &key) || !mlx_smc_read(self, &key, &count) || count < 0)
        return 0;
    return (uint32_t)count;
}

bool mlx_smc_name(mlx_smc_t *self, uint32_t index, char name[5])
{
    packet_t in = {.command = COMMAND_NAME, .index = index};
    packet_t out;
    if (!call(self, &in, &out))
        return false;
    for (unsigned i = 0; i < 4; i++)
        name[i] = (char)(out.key >> (24 - 8 * i) & 0xff);
    name[4] = '\0';
    return strlen(name) == 4;
}

bool mlx_smc_key(mlx_smc_t *self, const char *name, mlx_smc_key_t *key)
{
    if (strlen(name) != 4)
        return false;
    const uint8_t *n = (const uint8_t *)name;
    packet_t in = {.key = CODE(n[0], n[1], n[2], n[3]), .command = COMMAND_INFO};
    packet_t out;
    if (!call(self, &in, &out))
        return false;
    *key = (mlx_smc_key_t){.code = in.key, .type = out.info.type, .size = out.info.size};
    memcpy(key->name, name, sizeof key->name);
    double unused;
    return decode(key, NULL, &unused);
}

bool mlx_smc_read(mlx_smc_t *self, const mlx_smc_key_t *key, double *value)
{
    packet_t in = {.key = key->code, .command = COMMAND_READ};
    packet_t out;
    in.info.size = key->size;
    in.info.type = key->type;
    if (!call(self, &in, &out))
        return false;
    double number;
    if (!decode(key, out.value, &number) || !isfinite(number))
        return false;
    *value = number;
    return true;
}
