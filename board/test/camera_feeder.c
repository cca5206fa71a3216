/*
 * Feeds frames from files to a v4l2loopback device, as a camera would deliver them:
 * camera-feeder DEVICE MJPG|YUYV|GREY WIDTH HEIGHT FRAMES_PER_SECOND REPEAT FILE...
 * Each file is one frame and is sent REPEAT times; after the last one the first follows. It ends
 * on a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define MOST_BYTES (8u << 20)

static unsigned char frame[MOST_BYTES];

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "camera-feeder: %s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

static unsigned long number(const char *text, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value == 0 || value > most) {
        fprintf(stderr, "camera-feeder: %s is no number from 1 to %lu\n", text, most);
        exit(2);
    }
    return value;
}

static size_t read_frame(const char *name)
{
    FILE *file = fopen(name, "rb");
    size_t bytes;

    if (!file)
        fail("cannot open", name);
    bytes = fread(frame, 1, MOST_BYTES, file);
    if (bytes == 0 || bytes == MOST_BYTES) {
        fprintf(stderr, "camera-feeder: %s is empty or too large\n", name);
        exit(1);
    }
    fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};
    struct timespec next;
    unsigned long rate, repeat;
    int device, is_jpeg, is_grey;

    if (argc < 8) {
        fprintf(stderr, "usage: camera-feeder DEVICE MJPG|YUYV|GREY WIDTH HEIGHT RATE REPEAT FILE...\n");
        return 2;
    }
    is_jpeg = strcmp(argv[2], "MJPG") == 0;
    is_grey = strcmp(argv[2], "GREY") == 0;
    rate = number(argv[5], 1000);
    repeat = number(argv[6], 1000000);
    device = open(argv[1], O_RDWR);
    if (device < 0)
        fail("cannot open", argv[1]);
    format.fmt.pix.width = number(argv[3], 8192);
    format.fmt.pix.height = number(argv[4], 8192);
    format.fmt.pix.pixelformat = is_jpeg   ? V4L2_PIX_FMT_MJPEG
                                 : is_grey ? V4L2_PIX_FMT_GREY
                                           : V4L2_PIX_FMT_YUYV;
    format.fmt.pix.field = V4L2_FIELD_NONE;
    format.fmt.pix.colorspace = is_jpeg ? V4L2_COLORSPACE_JPEG : V4L2_COLORSPACE_SRGB;
    format.fmt.pix.bytesperline = is_jpeg ? 0 : format.fmt.pix.width * (is_grey ? 1 : 2);
    format.fmt.pix.sizeimage = format.fmt.pix.width * format.fmt.pix.height * (is_grey ? 1 : 2);
    if (ioctl(device, VIDIOC_S_FMT, &format) < 0)
        fail("cannot set the format of", argv[1]);

    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int index = 7;; index = index + 1 < argc ? index + 1 : 7) {
        size_t bytes = read_frame(argv[index]);

        for (unsigned long sent = 0; sent < repeat; sent++) {
            if (write(device, frame, bytes) != (ssize_t)bytes)
                fail("cannot write to", argv[1]);
            next.tv_nsec += 1000000000L / (long)rate;
            if (next.tv_nsec >= 1000000000L) {
                next.tv_nsec -= 1000000000L;
                next.tv_sec++;
            }
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        }
    }
}
