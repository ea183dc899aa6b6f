/*  The licence: of the model card's front matter, of GGUF's metadata, of a LICENSE file. */
#include "services/cache/content/content.h"

#include "proto/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CARD_MAX = 1024 * 1024,
    HEAD_MAX = 2048,
    RANK_FILE = 1,
    RANK_CARD = 3
};

void mlx_content_set_license(mlx_content_t *self, const char *text, size_t len, int rank)
{
    while (len && strchr(" \t\r\n'\"", text[len - 1]))
        len--;
    while (len && strchr(" \t'\"", *text)) {
        text++;
        len--;
    }
    if (!len || rank <= self->license_rank)
        return;
    MLX_CLEANUP(mlx_free_p) char *copy = mlx_strndup(text, len);
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(copy, 64);
    snprintf(self->license, sizeof self->license, "%s", line);
    /* Cut off inside a character, the rest of it goes too. */
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_utf8_line(self->license, 0);
    snprintf(self->license, sizeof self->license, "%s", whole);
    self->license_rank = rank;
}

/*  The value of KEY at the beginning of a line of the front matter, or an item of its list. */
static const char *value_of(const char *matter, const char *key, size_t *len)
{
    size_t size = strlen(key);
    for (const char *line = matter; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, size) != 0 || line[size] != ':')
            continue;
        const char *value = line + size + 1;
        value += strspn(value, " \t\r");
        if (*value == '\n') {
            value += strspn(value, " \t\r\n");
            if (*value != '-')
                return NULL;
            value += 1 + strspn(value + 1, " \t");
        }
        *len = strcspn(value, "\r\n");
        const char *comment = memmem(value, *len, " #", 2);
        *len = comment ? (size_t)(comment - value) : *len;
        return value;
    }
    return NULL;
}

static void read_card(mlx_content_t *self, char *text)
{
    size_t len = 0, name_len = 0;
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    if (strncmp(text, "---", 3) != 0)
        return;
    char *end = strstr(text + 3, "\n---");
    if (!end)
        return;
    *end = '\0';
    const char *license = value_of(text, "license", &len);
    const char *name = value_of(text, "license_name", &name_len);
    /* "other" says less than the name beside it. */
    if (license && len == 5 && strncasecmp(license, "other", 5) == 0 && name)
        mlx_content_set_license(self, name, name_len, RANK_CARD);
    else if (license)
        mlx_content_set_license(self, license, len, RANK_CARD);
}

static const struct {
    const char *words;
    const char *license;
} texts[] = {
    {"Apache License", "apache-2.0"},
    {"MIT License", "mit"},
    {"Permission is hereby granted, free of charge", "mit"},
    {"GNU AFFERO GENERAL PUBLIC LICENSE", "agpl-3.0"},
    {"GNU LESSER GENERAL PUBLIC LICENSE", "lgpl"},
    {"GNU GENERAL PUBLIC LICENSE", "gpl"},
    {"Mozilla Public License", "mpl-2.0"},
    {"LLAMA 2 COMMUNITY LICENSE", "llama2"},
    {"LLAMA 3 COMMUNITY LICENSE", "llama3"},
    {"LLAMA 3.1 COMMUNITY LICENSE", "llama3.1"},
    {"LLAMA 3.2 COMMUNITY LICENSE", "llama3.2"},
    {"LLAMA 3.3 COMMUNITY LICENSE", "llama3.3"},
    {"Gemma Terms of Use", "gemma"},
    {"OpenRAIL", "openrail"},
    {"Attribution-NonCommercial 4.0", "cc-by-nc-4.0"},
    {"Attribution-ShareAlike 4.0", "cc-by-sa-4.0"},
    {"Attribution 4.0", "cc-by-4.0"},
    {"Redistribution and use in source and binary forms", "bsd"},
};

/*  A text that is not known is told by its first line. */
static void read_text(mlx_content_t *self, const char *text)
{
    for (size_t i = 0; i < MLX_COUNT(texts); i++)
        if (strcasestr(text, texts[i].words)) {
            mlx_content_set_license(self, texts[i].license, strlen(texts[i].license), RANK_FILE);
            return;
        }
    text += strspn(text, " \t\r\n");
    mlx_content_set_license(self, text, strcspn(text, "\r\n"), RANK_FILE);
}

void mlx_content_license(mlx_content_t *self, const char *name, const mlx_source_t *source)
{
    size_t len = 0;
    bool card = mlx_content_ends(name, ".md") && strcasestr(name, "readme");
    mlx_source_t head = mlx_source_part(source, 0, HEAD_MAX);
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_source_text(card ? source : &head, CARD_MAX, &len);
    if (text && card)
        read_card(self, text);
    else if (text)
        read_text(self, text);
}
