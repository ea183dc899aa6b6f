/*  bench_mqtt.h - the same messages through an MQTT broker: MQTT 3.1.1, QoS 0, loopback TCP
 *
 *      bench_mqtt_send(port, count, topics, bodies, kinds);      COUNT messages of KINDS in turn
 *      double rate = bench_mqtt_receive(port, count);            messages per second
 *
 *  Both end the process when the broker is not there or a message is lost.
 */
#ifndef MLX_TESTS_BENCH_MQTT_H
#define MLX_TESTS_BENCH_MQTT_H

#include <sys/types.h>

#include "proto/buf.h"

/*  A mosquitto of its own on PORT, its configuration in DIR; -1: there is none to start. */
pid_t bench_mqtt_start(const char *dir, int port);

void bench_mqtt_send(int port, size_t count, char topics[][32], const mlx_buf_t *bodies,
                     size_t kinds);
double bench_mqtt_receive(int port, size_t count);

#endif
