/* SPDX-License-Identifier: Apache-2.0 */
/* Programs under limits: test-dms-tool DERIVE_TOOL. What a confined one may do: dms_derived.py. */
#include "dms/tool.h"

#include "dms/jpeg_size.h"
#include "tap.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS ((uint64_t)1000000)

static const char *program;
static struct loop *loop;
static bool ended;
static enum tool_end how;
static struct buf got;

static void on_end(void *arg, enum tool_end end, struct slice output)
{
    (void)arg;
    ended = true;
    how = end;
    (void)buf_append_slice(&got, output);
    loop_stop(loop);
}

static int input_of(const char *order)
{
    int fd = memfd_create("order", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, order, strlen(order)) == (ssize_t)strlen(order));
    return fd;
}

static int start(const char *path, const char *order, uint64_t time_ns, struct tool **ret_tool)
{
    static const char *const argv[] = {"tool", NULL};
    int fd = input_of(order);
    const struct tool_order it = {.path = path,
                                  .argv = argv,
                                  .input_fd = fd,
                                  .confinement_fd = -1,
                                  .size_max = 1000,
                                  .memory_max = (size_t)1 << 30,
                                  .cpu_s = 5,
                                  .time_ns = time_ns};
    ended = false;
    buf_clear(&got);
    REQUIRE(loop_new(&loop) == 0);
    int r = tool_start(loop, &it, on_end, NULL, ret_tool);
    (void)close(fd);
    return r;
}

static void run(const char *order, uint64_t time_ns)
{
    struct tool *tool;
    REQUIRE(start(program, order, time_ns, &tool) == 0);
    REQUIRE(loop_run(loop) == 0);
    CHECK(ended);
    loop_free(loop);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    CHECK_EQ(errno, ECHILD);
}

TEST(its_output_is_taken)
{
    run("words", 60000 * MS);
    CHECK_EQ(how, TOOL_DONE);
    CHECK(slice_is_text(buf_slice(&got), "words\n"));
}

TEST(too_much_output_ends_it)
{
    run("flood", 60000 * MS);
    CHECK_EQ(how, TOOL_LARGE);
    CHECK_EQ(got.size, 1000);
}

TEST(too_much_time_ends_it)
{
    run("spin", 50 * MS);
    CHECK_EQ(how, TOOL_LATE);
}

TEST(failures_are_told)
{
    run("crash", 60000 * MS);
    CHECK_EQ(how, TOOL_FAILED);
    run("fail", 60000 * MS);
    CHECK_EQ(how, TOOL_FAILED);
}

TEST(what_is_no_program_is_not_started)
{
    struct tool *tool;
    CHECK_EQ(start("/nonexistent/tool", "words", 60000 * MS, &tool), -ENOENT);
    loop_free(loop);
    CHECK_EQ(start("/dev/null", "words", 60000 * MS, &tool), -EACCES);
    loop_free(loop);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

TEST(it_can_be_stopped)
{
    struct tool *tool;
    REQUIRE(start(program, "spin", 60000 * MS, &tool) == 0);
    tool_stop(tool);
    tool_stop(NULL);
    loop_free(loop);
    CHECK(!ended);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

#define SEGMENT "\xff\xe0\0\x04xx"
#define FRAME "\xff\xc0\0\x0b\x08\x01\x02\x03\x04"

TEST(a_jpegs_size_is_in_its_frame_header)
{
    int width = 0, height = 0;
    static const char good[] = "\xff\xd8" SEGMENT "\xff\xc4\0\x02" FRAME;
    CHECK_EQ(jpeg_size(slice_of(good, sizeof good - 1), &width, &height), 0);
    CHECK_EQ(width, 0x304);
    CHECK_EQ(height, 0x102);
    for (size_t size = 0; size < sizeof good - 1; size++)
        CHECK_EQ(jpeg_size(slice_of(good, size), &width, &height), -EBADMSG);
}

TEST(what_is_no_jpeg_has_no_size)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
#define BAD(text) {text, sizeof text - 1}
        BAD(""),
        BAD("GIF89a, which is another thing"),
        BAD("\xff\xd8 no marker where one must be"),
        BAD("\xff\xd8\xff\xe0\0\0" FRAME), /* a segment shorter than its own size */
        BAD("\xff\xd8\xff\xe0\0\1" FRAME),
        BAD("\xff\xd8\xff\xe0\xff\xff" FRAME), /* one that ends behind the end */
        BAD("\xff\xd8\xff\xc0\0\x0b\x08\0\0\x03\x04"),
        BAD("\xff\xd8\xff\xc0\0\x0b\x08\x01\x02\0\0"),
    };
    int width, height;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(jpeg_size(slice_of(bad[i].bytes, bad[i].size), &width, &height), -EBADMSG);
}

int main(int argc, char **argv)
{
    program = argc > 1 ? argv[1] : "";
    return tap_main();
}
