/* The MQTT client as a process: tests/firmware/test_mqtt.py reads what it tells. Until SIGTERM:
 *   net_client HOST PORT SEND RECEIVE KEEP_ALIVE TIMEOUT_MS [sub:TOPIC | pub:TOPIC:TEXT | retain:TOPIC:TEXT | big:TOPIC:SIZE]…
 * carries out the commands in every session, as soon as there is room. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/mqtt.h"
#include "sockets.h"

static volatile sig_atomic_t ending; /* a signal handler has no context */

struct client {
    struct fleet_mqtt mqtt;
    char **commands;
    int count;
    int next;
    uint32_t random;
    uint32_t crc;
    uint32_t size;
    uint8_t big[65536];
};

static void on_signal(int number)
{
    (void)number;
    ending = 1;
}

static uint32_t random_bits(void *context)
{
    struct client *client = context;
    client->random = client->random * 1664525u + 1013904223u;
    return client->random ^ client->random >> 16;
}

static void connected(void *context)
{
    struct client *client = context;
    client->next = 0;
    puts("connected");
}

static void disconnected(void *context, const struct fleet_fault *fault)
{
    struct client *client = context;
    client->next = client->count;
    printf("disconnected %s %s\n", fault->code, fault->text);
}

static bool begin(void *context, const char *topic, uint32_t size, bool retained)
{
    struct client *client = context;
    client->crc = UINT32_MAX;
    client->size = 0;
    printf("begin %s %u %d\n", topic, size, retained);
    return strstr(topic, "unwanted") == NULL;
}

static void data(void *context, struct fleet_bytes piece)
{
    struct client *client = context;
    client->size += (uint32_t)piece.size;
    for (size_t i = 0; i < piece.size; i++) {
        client->crc ^= piece.data[i];
        for (int bit = 0; bit < 8; bit++) {
            client->crc = client->crc >> 1 ^ ((client->crc & 1u) != 0 ? 0xEDB88320u : 0u);
        }
    }
}

static void end(void *context, bool whole)
{
    const struct client *client = context;
    printf("end %d %u %08x\n", whole, client->size, ~client->crc);
}

static void acknowledged(void *context, uint16_t id, bool granted)
{
    (void)context;
    printf("acknowledged %u %d\n", (unsigned)id, granted);
}

/* Whether the command is done; otherwise it is tried again. */
static bool carry_out(struct client *client, const char *command, struct fleet_fault *fault)
{
    char copy[256], *topic, *rest;
    (void)snprintf(copy, sizeof copy, "%s", command);
    topic = strchr(copy, ':');
    if (topic == NULL) {
        return true;
    }
    *topic++ = 0;
    rest = strchr(topic, ':');
    if (rest != NULL) {
        *rest++ = 0;
    }
    if (strcmp(copy, "sub") == 0) {
        return fleet_mqtt_subscribe(&client->mqtt, topic, 1, fault) != 0;
    }
    const bool big = strcmp(copy, "big") == 0;
    const struct fleet_mqtt_message message = {
        .topic = topic,
        .payload = big ? fleet_bytes(client->big, strtoul(rest, NULL, 10)) : fleet_bytes(rest, strlen(rest)),
        .qos = 1,
        .retained = strcmp(copy, "retain") == 0,
    };
    return fleet_mqtt_publish(&client->mqtt, &message, big, NULL, fault);
}

static uint32_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

int main(int argc, char **argv)
{
    static struct client client;
    static uint8_t receive[65536], send[65536];
    static const struct timespec nap = {0, 1000000};
    struct fleet_sockets sockets;
    struct fleet_fault fault;
    const struct fleet_transport transport = fleet_sockets_transport(&sockets);
    const struct fleet_mqtt_message will = {"fleet/v1/d/board/presence", fleet_bytes("offline", 7), 1, true};
    if (argc < 7) {
        return 2;
    }
    const struct fleet_mqtt_options options = {
        .transport = &transport,
        .events = {&client, connected, disconnected, begin, data, end, acknowledged},
        .random = random_bits, .random_context = &client,
        .host = argv[1], .port = (uint16_t)strtoul(argv[2], NULL, 10), .client = "board", .will = &will,
        .send = send, .send_size = strtoul(argv[3], NULL, 10), .receive = receive, .receive_size = strtoul(argv[4], NULL, 10),
        .keep_alive_s = (uint16_t)strtoul(argv[5], NULL, 10), .timeout_ms = (uint32_t)strtoul(argv[6], NULL, 10),
        .retry_first_ms = 10, .retry_most_ms = 100,
    };
    client.commands = argv + 7;
    client.count = client.next = argc - 7;
    for (size_t i = 0; i < sizeof client.big; i++) {
        client.big[i] = (uint8_t)(i * 31u >> 3);
    }
    (void)signal(SIGTERM, on_signal);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (!fleet_mqtt_start(&client.mqtt, &options, now_ms(), &fault)) {
        printf("fault %s %s\n", fault.code, fault.text);
        return 1;
    }
    while (client.mqtt.state != FLEET_MQTT_STOPPED) {
        fleet_mqtt_poll(&client.mqtt, now_ms());
        while (client.next < client.count && carry_out(&client, client.commands[client.next], &fault)) {
            client.next++;
        }
        if (ending) {
            ending = 0;
            fleet_mqtt_stop(&client.mqtt);
        }
        (void)nanosleep(&nap, NULL);
    }
    puts("stopped");
    return 0;
}
