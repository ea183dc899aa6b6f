/*  pickle.h - what a pickle would import when it is loaded, read without executing anything
 *
 *  Every protocol (0 to 5). The opcodes are walked with a stack that knows strings and nothing
 *  else, enough to tell what GLOBAL, INST and STACK_GLOBAL import, by whatever memo the names come.
 *  Imports that plain tensors need (torch's storages and rebuild functions, OrderedDict, NumPy's
 *  arrays, ..) are allowed; any other one is a finding, as is a name that the pickle computes. What
 *  an unpickler would run before it stumbles over broken bytes counts; the bytes behind do not.
 *
 *      mlx_pickle_scan(&source, "archive/data.pkl", &found);
 */
#ifndef MLX_CACHE_CONTENT_PICKLE_H
#define MLX_CACHE_CONTENT_PICKLE_H

#include "services/cache/content/findings.h"
#include "services/cache/content/source.h"

/*  Scan SOURCE, called WHERE; several pickles may follow each other. True when it is one at all: at
 *  least one came to its end. */
bool mlx_pickle_scan(const mlx_source_t *source, const char *where, mlx_risks_t *found);

/*  May MODULE.NAME be imported. */
bool mlx_pickle_allows(const char *module, const char *name);

#endif
