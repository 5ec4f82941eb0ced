/* SPDX-License-Identifier: Apache-2.0
 *
 * A node in plain C, written from docs/wire-format.md and nothing else: it proves that the document is enough.
 *
 *     node PORT NAME BOOT COUNT BASE_MS
 *
 * Measures COUNT reports, one a minute from BASE_MS on (its trusted clock), sends them oldest first with at most 64
 * on the line, keeps each until an ACK covers it, sends again what has waited for 2 s. Prints its ledger:
 *
 *     acked SEQ UNIX_MS TEMPERATURE_STATUS TEMPERATURE_MILLI DOOR_MILLI
 *
 * one line for each report when its ACK comes, then `done`, and exits 0. Gives up with 1 after 60 s.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { HELLO = 0x01, REPORT = 0x02, ACK = 0x81, RESEND = 0x82, WHO = 0x83 };
enum { WINDOW = 64, RESEND_MS = 2000, PAYLOAD_MAX = 1024, COUNT_MAX = 100000, GIVE_UP_MS = 60000 };
enum { TEMPERATURE = 1, DOOR = 2, PROBE_OPEN = 1 };

static int port;
static const char *name;
static uint32_t boot, count;
static int64_t base_ms, started_ms;
static int64_t *sent_ms; /* of each report: 0 never sent, -1 acknowledged */
static uint32_t oldest, next;

static int64_t steady_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t crc32(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    while (size--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    return ~crc;
}

static uint8_t *put(uint8_t *to, uint64_t value, int bytes)
{
    while (bytes--) {
        *to++ = (uint8_t)value;
        value >>= 8;
    }
    return to;
}

static uint32_t get32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint8_t *put_name(uint8_t *to, const char *text)
{
    size_t length = strlen(text);
    *to++ = (uint8_t)length;
    memcpy(to, text, length);
    return to + length;
}

static void write_all(const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = write(port, data, size);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
            perror("write");
            exit(2);
        }
    }
}

/* payload must stand at frame + 6 */
static void send_frame(uint8_t *frame, int type, const uint8_t *end)
{
    uint8_t *to = put(frame, 0x5AC5, 2);
    to = put(to, 1, 1);
    to = put(to, (uint64_t)type, 1);
    put(to, (uint64_t)(end - frame - 6), 2);
    size_t size = (size_t)(end - frame);
    put(frame + size, crc32(frame + 2, size - 2), 4);
    write_all(frame, size + 4);
}

static void say_hello(void)
{
    uint8_t frame[128], *to = put_name(frame + 6, name);
    to = put(to, boot, 4);
    to = put(to, 2, 1);
    to = put(to, count - oldest, 4);
    to = put_name(to, "node-c 1");
    send_frame(frame, HELLO, to);
}

static int probe_is_open(uint32_t seq) { return seq % 10 == 9; }
static int32_t temperature(uint32_t seq) { return (int32_t)(seq * 37 % 9000) - 4000; }
static int32_t door(uint32_t seq) { return seq % 2 ? 1000 : 0; }

static uint8_t *put_reading(uint8_t *to, int channel, int quantity, int status, int32_t value)
{
    to = put(to, (uint64_t)channel, 2);
    to = put(to, (uint64_t)quantity, 1);
    to = put(to, (uint64_t)status, 1);
    return put(to, (uint32_t)value, 4);
}

static void send_report(uint32_t seq)
{
    uint8_t frame[128], *to = put_name(frame + 6, name);
    int64_t now = steady_ms();
    int failed = probe_is_open(seq);
    to = put(to, boot, 4);
    to = put(to, seq, 4);
    to = put(to, (uint64_t)seq * 60000, 8);
    to = put(to, (uint64_t)(now - started_ms), 4); /* all were measured when it started */
    to = put(to, 2, 1);
    to = put(to, (uint64_t)(base_ms + (int64_t)seq * 60000), 8);
    to = put(to, 2, 1);
    to = put_reading(to, 0, TEMPERATURE, failed ? PROBE_OPEN : 0, failed ? 0 : temperature(seq));
    to = put_reading(to, 1, DOOR, 0, door(seq));
    send_frame(frame, REPORT, to);
    sent_ms[seq] = now;
}

static void acknowledged(uint32_t seq)
{
    int failed = probe_is_open(seq);
    sent_ms[seq] = -1;
    printf("acked %u %lld %d %d %d\n", seq, (long long)(base_ms + (int64_t)seq * 60000), failed ? PROBE_OPEN : 0,
           failed ? 0 : temperature(seq), door(seq));
    while (oldest < count && sent_ms[oldest] < 0)
        oldest++;
}

static void obey(int type, const uint8_t *payload, size_t length)
{
    size_t own = strlen(name);
    if (type == WHO) {
        say_hello();
        return;
    }
    if ((type != ACK && type != RESEND) || length < own + 6 || payload[0] != own || memcmp(payload + 1, name, own))
        return;
    const uint8_t *at = payload + 1 + own;
    if (get32(at) != boot || length != own + 6 + 8u * at[4])
        return;
    for (int left = at[4], i = 0; i < left; i++) {
        uint32_t low = get32(at + 5 + 8 * i), high = get32(at + 9 + 8 * i);
        for (uint32_t seq = low < oldest ? oldest : low; seq < next && seq <= high; seq++) {
            if (type == ACK && sent_ms[seq] > 0)
                acknowledged(seq);
            else if (type == RESEND && sent_ms[seq] > 0)
                send_report(seq);
        }
    }
}

static void take_bytes(const uint8_t *data, size_t size)
{
    static uint8_t buffer[8192];
    static size_t held;
    if (size > sizeof buffer - held)
        held = 0; /* cannot be: a frame is smaller */
    memcpy(buffer + held, data, size);
    held += size;
    size_t at = 0;
    while (held - at >= 6) {
        const uint8_t *frame = buffer + at;
        size_t length = frame[4] | (size_t)frame[5] << 8;
        if (frame[0] != 0xC5 || frame[1] != 0x5A || frame[2] != 1 || length > PAYLOAD_MAX) {
            at++;
            continue;
        }
        if (held - at < length + 10)
            break;
        if (crc32(frame + 2, length + 4) != get32(frame + 6 + length)) {
            at++;
            continue;
        }
        obey(frame[3], frame + 6, length);
        at += length + 10;
    }
    memmove(buffer, buffer + at, held - at);
    held -= at;
}

static int flying(void)
{
    int n = 0;
    for (uint32_t seq = oldest; seq < next; seq++)
        n += sent_ms[seq] > 0;
    return n;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: node PORT NAME BOOT COUNT BASE_MS\n");
        return 64;
    }
    name = argv[2];
    boot = (uint32_t)strtoul(argv[3], NULL, 10);
    count = (uint32_t)strtoul(argv[4], NULL, 10);
    base_ms = strtoll(argv[5], NULL, 10);
    if (strlen(name) > 24 || count > COUNT_MAX || !(sent_ms = calloc(count + 1, sizeof *sent_ms)))
        return 64;
    port = open(argv[1], O_RDWR | O_NOCTTY);
    struct termios mode;
    if (port < 0 || tcgetattr(port, &mode)) {
        perror(argv[1]);
        return 2;
    }
    cfmakeraw(&mode);
    cfsetspeed(&mode, B115200);
    tcsetattr(port, TCSANOW, &mode);

    started_ms = steady_ms();
    say_hello();
    while (oldest < count && steady_ms() - started_ms < GIVE_UP_MS) {
        int64_t now = steady_ms();
        for (uint32_t seq = oldest; seq < next; seq++)
            if (sent_ms[seq] > 0 && now - sent_ms[seq] >= RESEND_MS)
                send_report(seq);
        for (int free = WINDOW - flying(); free > 0 && next < count; free--)
            send_report(next++);
        struct pollfd ready = {port, POLLIN, 0};
        if (poll(&ready, 1, 100) > 0) {
            uint8_t data[512];
            ssize_t n = read(port, data, sizeof data);
            if (n > 0)
                take_bytes(data, (size_t)n);
        }
    }
    if (oldest < count)
        return 1;
    puts("done");
    return 0;
}
