/*  CoreFoundation of the double: reference-counted objects of a few types */
#include "dd.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum {
    TYPE_STRING = 100,
    TYPE_NUMBER,
    TYPE_BOOLEAN,
    TYPE_DATA,
    TYPE_ARRAY,
    TYPE_DICT,
    TYPE_OPAQUE
} type_t;

typedef struct object object_t;
struct object {
    type_t type;
    long references;
    bool immortal;
    bool is_real;
    int64_t number; /* also truth, opaque number */
    double real;
    char *bytes; /* string, data; kind of an opaque one */
    size_t len;
    object_t **keys; /* dictionary */
    object_t **items;
    size_t count;
};

const CFAllocatorRef kCFAllocatorDefault = NULL;
const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks = {0};
const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks = {0};
static object_t truths[2] = {{.type = TYPE_BOOLEAN, .immortal = true},
                             {.type = TYPE_BOOLEAN, .immortal = true, .number = 1}};
const CFBooleanRef kCFBooleanTrue = (CFBooleanRef)&truths[1];
const CFBooleanRef kCFBooleanFalse = (CFBooleanRef)&truths[0];

void dd_die(const char *what, const char *detail)
{
    fprintf(stderr, "darwin double: %s: %s\n", what, detail);
    _exit(99); /* a signal would hide what ctest looks for in the output */
}

static object_t *object(CFTypeRef cf, type_t type, const char *call)
{
    object_t *self = (object_t *)(uintptr_t)cf;
    if (!self)
        dd_die(call, "NULL crashes on macOS");
    if (!self->immortal && self->references <= 0)
        dd_die(call, "the object is dead");
    if (type && self->type != type)
        dd_die(call, "object of another type: crash or garbage on macOS");
    return self;
}

static object_t *create(type_t type)
{
    object_t *self = calloc(1, sizeof *self);
    if (!self)
        dd_die("calloc", "out of memory");
    self->type = type;
    self->references = 1;
    return self;
}

static object_t *create_bytes(type_t type, const void *bytes, size_t len)
{
    object_t *self = create(type);
    self->bytes = malloc(len + 1);
    if (!self->bytes)
        dd_die("malloc", "out of memory");
    memcpy(self->bytes, bytes, len);
    self->bytes[len] = '\0';
    self->len = len;
    return self;
}

CFTypeRef CFRetain(CFTypeRef cf)
{
    object_t *self = object(cf, 0, "CFRetain");
    __atomic_add_fetch(&self->references, 1, __ATOMIC_SEQ_CST);
    return cf;
}

void CFRelease(CFTypeRef cf)
{
    object_t *self = object(cf, 0, "CFRelease");
    if (self->immortal || __atomic_sub_fetch(&self->references, 1, __ATOMIC_SEQ_CST) > 0)
        return;
    for (size_t i = 0; i < self->count; i++) {
        if (self->keys)
            CFRelease(self->keys[i]);
        CFRelease(self->items[i]);
    }
    free(self->keys);
    free(self->items);
    free(self->bytes);
    free(self);
}

CFTypeID CFGetTypeID(CFTypeRef cf)
{
    return object(cf, 0, "CFGetTypeID")->type;
}

/*  Constants: one immortal object for each text, as the linker makes them on macOS. */
CFStringRef __CFStringMakeConstantString(const char *text)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static object_t *constants[256];
    object_t *found = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < 256 && !found; i++) {
        if (!constants[i]) {
            constants[i] = create_bytes(TYPE_STRING, text, strlen(text));
            constants[i]->immortal = true;
        }
        if (strcmp(constants[i]->bytes, text) == 0)
            found = constants[i];
    }
    pthread_mutex_unlock(&lock);
    if (!found)
        dd_die("CFSTR", "too many constants");
    return (CFStringRef)found;
}

CFTypeID CFStringGetTypeID(void)
{
    return TYPE_STRING;
}

CFStringRef CFStringCreateWithCString(CFAllocatorRef alloc, const char *s,
                                      CFStringEncoding encoding)
{
    if (alloc || encoding != kCFStringEncodingUTF8)
        dd_die("CFStringCreateWithCString", "allocator or encoding is not modelled");
    return (CFStringRef)dd_text(s);
}

Boolean CFStringGetCString(CFStringRef string, char *buffer, CFIndex size,
                           CFStringEncoding encoding)
{
    object_t *self = object(string, TYPE_STRING, "CFStringGetCString");
    if (encoding != kCFStringEncodingUTF8)
        dd_die("CFStringGetCString", "encoding is not modelled");
    if (size <= 0 || self->len + 1 > (size_t)size)
        return false;
    memcpy(buffer, self->bytes, self->len + 1);
    return true;
}

CFTypeID CFNumberGetTypeID(void)
{
    return TYPE_NUMBER;
}

CFNumberRef CFNumberCreate(CFAllocatorRef alloc, CFNumberType type, const void *value)
{
    int32_t number;
    if (alloc || type != kCFNumberSInt32Type)
        dd_die("CFNumberCreate", "allocator or type is not modelled");
    memcpy(&number, value, sizeof number);
    return (CFNumberRef)dd_number(number);
}

/*  False when the value does not fit, as on macOS. */
Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value)
{
    object_t *self = object(number, TYPE_NUMBER, "CFNumberGetValue");
    int64_t whole = self->is_real ? (int64_t)self->real : self->number;
    double real = self->is_real ? self->real : (double)self->number;
    bool exact = !self->is_real || (double)whole == self->real;
    if (type == kCFNumberSInt64Type) {
        memcpy(value, &whole, sizeof whole);
        return exact;
    }
    if (type == kCFNumberSInt32Type) {
        int32_t half = (int32_t)whole;
        memcpy(value, &half, sizeof half);
        return exact && half == whole;
    }
    if (type == kCFNumberFloat64Type || type == kCFNumberDoubleType) {
        memcpy(value, &real, sizeof real);
        return true;
    }
    dd_die("CFNumberGetValue", "type is not modelled");
}

CFTypeID CFBooleanGetTypeID(void)
{
    return TYPE_BOOLEAN;
}

Boolean CFBooleanGetValue(CFBooleanRef boolean)
{
    return object(boolean, TYPE_BOOLEAN, "CFBooleanGetValue")->number != 0;
}

CFTypeID CFDataGetTypeID(void)
{
    return TYPE_DATA;
}

CFIndex CFDataGetLength(CFDataRef data)
{
    return (CFIndex)object(data, TYPE_DATA, "CFDataGetLength")->len;
}

const UInt8 *CFDataGetBytePtr(CFDataRef data)
{
    return (const UInt8 *)object(data, TYPE_DATA, "CFDataGetBytePtr")->bytes;
}

CFTypeID CFArrayGetTypeID(void)
{
    return TYPE_ARRAY;
}

CFIndex CFArrayGetCount(CFArrayRef array)
{
    return (CFIndex)object(array, TYPE_ARRAY, "CFArrayGetCount")->count;
}

const void *CFArrayGetValueAtIndex(CFArrayRef array, CFIndex index)
{
    object_t *self = object(array, TYPE_ARRAY, "CFArrayGetValueAtIndex");
    if (index < 0 || (size_t)index >= self->count)
        dd_die("CFArrayGetValueAtIndex", "out of range: exception on macOS");
    return self->items[index];
}

CFTypeID CFDictionaryGetTypeID(void)
{
    return TYPE_DICT;
}

CFMutableDictionaryRef CFDictionaryCreateMutable(CFAllocatorRef alloc, CFIndex capacity,
                                                 const CFDictionaryKeyCallBacks *keys,
                                                 const CFDictionaryValueCallBacks *values)
{
    if (alloc || capacity || keys != &kCFTypeDictionaryKeyCallBacks ||
        values != &kCFTypeDictionaryValueCallBacks)
        dd_die("CFDictionaryCreateMutable", "argument is not modelled");
    return dd_dict();
}

CFMutableDictionaryRef CFDictionaryCreateMutableCopy(CFAllocatorRef alloc, CFIndex capacity,
                                                     CFDictionaryRef dict)
{
    object_t *self = object(dict, TYPE_DICT, "CFDictionaryCreateMutableCopy");
    if (alloc || (capacity && capacity < (CFIndex)self->count))
        dd_die("CFDictionaryCreateMutableCopy", "argument is not modelled");
    CFMutableDictionaryRef copy = dd_dict();
    for (size_t i = 0; i < self->count; i++)
        CFDictionarySetValue(copy, self->keys[i], self->items[i]);
    return copy;
}

CFIndex CFDictionaryGetCount(CFDictionaryRef dict)
{
    return (CFIndex)object(dict, TYPE_DICT, "CFDictionaryGetCount")->count;
}

static object_t **find(object_t *dict, CFTypeRef key)
{
    const char *text = object(key, TYPE_STRING, "dictionary key")->bytes;
    for (size_t i = 0; i < dict->count; i++)
        if (strcmp(dict->keys[i]->bytes, text) == 0)
            return &dict->items[i];
    return NULL;
}

const void *CFDictionaryGetValue(CFDictionaryRef dict, const void *key)
{
    object_t **found = find(object(dict, TYPE_DICT, "CFDictionaryGetValue"), key);
    return found ? *found : NULL;
}

static void append(object_t *self, CFTypeRef key, CFTypeRef item)
{
    self->items = realloc(self->items, (self->count + 1) * sizeof *self->items);
    if (key)
        self->keys = realloc(self->keys, (self->count + 1) * sizeof *self->keys);
    if (!self->items || (key && !self->keys))
        dd_die("realloc", "out of memory");
    if (key)
        self->keys[self->count] = (object_t *)(uintptr_t)CFRetain(key);
    self->items[self->count++] = (object_t *)(uintptr_t)CFRetain(item);
}

void CFDictionarySetValue(CFMutableDictionaryRef dict, const void *key, const void *value)
{
    object_t *self = object(dict, TYPE_DICT, "CFDictionarySetValue");
    object_t **found = find(self, key);
    if (!found) {
        append(self, key, value);
        return;
    }
    object_t *old = *found;
    *found = (object_t *)(uintptr_t)CFRetain(value);
    CFRelease(old);
}

CFTypeRef dd_text(const char *text)
{
    return create_bytes(TYPE_STRING, text, strlen(text));
}

CFTypeRef dd_number(int64_t number)
{
    object_t *self = create(TYPE_NUMBER);
    self->number = number;
    return self;
}

CFTypeRef dd_real(double number)
{
    object_t *self = create(TYPE_NUMBER);
    self->is_real = true;
    self->real = number;
    return self;
}

CFTypeRef dd_truth(bool truth)
{
    return &truths[truth];
}

CFTypeRef dd_data(const void *bytes, size_t len)
{
    return create_bytes(TYPE_DATA, bytes, len);
}

CFMutableDictionaryRef dd_dict(void)
{
    return (CFMutableDictionaryRef)create(TYPE_DICT);
}

CFTypeRef dd_array(void)
{
    return create(TYPE_ARRAY);
}

void dd_array_add(CFTypeRef array, CFTypeRef consumed)
{
    append(object(array, TYPE_ARRAY, "dd_array_add"), NULL, consumed);
    CFRelease(consumed);
}

CFTypeRef dd_opaque(const char *kind, int number)
{
    object_t *self = create_bytes(TYPE_OPAQUE, kind, strlen(kind));
    self->number = number;
    return self;
}

int dd_opaque_number(CFTypeRef cf, const char *kind)
{
    object_t *self = object(cf, TYPE_OPAQUE, kind);
    if (strcmp(self->bytes, kind) != 0)
        dd_die(kind, "object of another kind");
    return (int)self->number;
}

void dd_dict_put(CFMutableDictionaryRef dict, const char *key, CFTypeRef consumed)
{
    CFTypeRef name = dd_text(key);
    CFDictionarySetValue(dict, name, consumed);
    CFRelease(name);
    CFRelease(consumed);
}

CFTypeRef dd_copy(CFTypeRef value)
{
    object_t *from = object(value, 0, "dd_copy");
    if (from->immortal)
        return value;
    object_t *self = create(from->type);
    self->is_real = from->is_real;
    self->number = from->number;
    self->real = from->real;
    if (from->bytes) {
        self->bytes = malloc(from->len + 1);
        if (!self->bytes)
            dd_die("malloc", "out of memory");
        memcpy(self->bytes, from->bytes, from->len + 1);
        self->len = from->len;
    }
    for (size_t i = 0; i < from->count; i++) {
        CFTypeRef key = from->keys ? dd_copy(from->keys[i]) : NULL;
        CFTypeRef item = dd_copy(from->items[i]);
        append(self, key, item);
        if (key)
            CFRelease(key);
        CFRelease(item);
    }
    return self;
}

bool dd_text_is(CFTypeRef string, const char *text)
{
    return strcmp(object(string, TYPE_STRING, "dd_text_is")->bytes, text) == 0;
}
