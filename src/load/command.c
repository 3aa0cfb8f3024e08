/* SPDX-License-Identifier: Apache-2.0 */
#include "load/load.h"

#include "load/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

static int json_write(const struct results *results, const struct load_options *options)
{
    SCOPED(buf_done) struct buf json = {0};
    int r = results_json(results, options, &json);
    bool to_stdout = strcmp(options->json_path, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(options->json_path, "we");
    if (r == 0 && out && fwrite(json.bytes, 1, json.size, out) != json.size)
        r = -EIO;
    if (out && (to_stdout ? fflush(out) : fclose(out)) != 0)
        r = -EIO;
    return out ? r : -errno;
}

static int report(const struct results *results, const struct load_options *options)
{
    SCOPED(buf_done) struct buf text = {0};
    if (results_text(results, options, &text) < 0)
        return EXIT_BAD;
    /* With JSON on standard output the text goes to people elsewhere. */
    bool json_on_stdout = options->json_path && strcmp(options->json_path, "-") == 0;
    fwrite(text.bytes, 1, text.size, json_on_stdout ? stderr : stdout);
    if (options->json_path && json_write(results, options) < 0) {
        fprintf(stderr, "coffer load: cannot write '%s'\n", options->json_path);
        return EXIT_BAD;
    }
    return results_are_good(results, options) ? EXIT_GOOD : EXIT_BAD;
}

int load_command(int argc, char **argv)
{
    struct error e = {0};
    struct load_options options;
    struct results results;
    if (argc < 2 || strcmp(argv[1], "run") != 0) {
        fputs("Usage: coffer load run [OPTIONS]   (coffer load run --help)\n", stderr);
        return EXIT_USAGE;
    }
    int r = load_options_parse(argc - 2, argv + 2, &options, &e);
    if (r == 1)
        return EXIT_GOOD;
    if (r < 0) {
        fprintf(stderr, "coffer load: %s\n", error_text(&e, r));
        return EXIT_USAGE;
    }
    r = engine_run(&options, &results, &e);
    int status = EXIT_BAD;
    if (r < 0) {
        fprintf(stderr, "coffer load: %s\n", error_text(&e, r));
    } else {
        status = report(&results, &options);
        results_done(&results);
    }
    load_options_done(&options);
    return status;
}
