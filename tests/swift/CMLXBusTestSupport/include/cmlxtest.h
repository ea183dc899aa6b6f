/*  cmlxtest.h - a real broker and a real service in this process, for the tests of MLXBus
 *
 *      cmlxtest_bus_t *bus = cmlxtest_bus_new(run_dir);
 *      cmlxtest_publish_gpu(bus, 0, 0.5);
 *      cmlxtest_bus_stop_broker(bus);
 *      cmlxtest_bus_free(bus);
 *
 *  The service is called "bencher" and knows bench.run: it sends three reports and is done, or, for
 *  the model "endless", goes on reporting until it is cancelled. A second one, "cache", knows
 *  cache.add: it reports half and all of the 100 bytes of "m:latest", among reports of another
 *  download, and is done; it has never heard of the model "absent".
 */
#ifndef CMLXTEST_H
#define CMLXTEST_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cmlxtest_bus cmlxtest_bus_t;

cmlxtest_bus_t *cmlxtest_bus_new(const char *run_dir);
void cmlxtest_bus_free(cmlxtest_bus_t *self);

void cmlxtest_publish_gpu(cmlxtest_bus_t *self, int number, double utilization);

/*  Publish sensor.memory COUNT times with "used" 1, 2, 3, ..., PER_SECOND a second (0: as fast as
 *  the loop goes). Returns when all are sent. */
void cmlxtest_publish_memory(cmlxtest_bus_t *self, int64_t count, int64_t per_second);

void cmlxtest_stop_broker(cmlxtest_bus_t *self);
void cmlxtest_start_broker(cmlxtest_bus_t *self);

int cmlxtest_cancels(cmlxtest_bus_t *self); /* calls that were cancelled so far */
int64_t cmlxtest_resident_bytes(void);      /* of this process; 0: not known here */
int cmlxtest_descriptors(void);             /* open in this process; 0: not known here */

#endif
