#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the runtime may not reach in its own C library: name service, resolver, loading of code.
usage: link.py COFFER-RUNTIME ARCHIVE..."""

import subprocess
import sys

NOT_LINKED = {"__nss_lookup", "__nss_module_load", "_nss_dns_gethostbyname_r", "gaih_inet",
              "_nss_files_getpwnam_r", "__nscd_gethostbyname_r", "__res_context_query",
              "__tzfile_read"}
NOT_CALLED = {"dlopen", "dlsym", "getaddrinfo", "gethostbyname", "getpwnam", "getpwuid", "getgrnam",
              "iconv_open", "setlocale", "fputws", "fwprintf", "pthread_cancel", "pthread_exit",
              "system", "popen", "syslog", "ENGINE_load_builtin_engines", "OPENSSL_config",
              "CONF_modules_load_file"}


def symbols(path, *options):
    text = subprocess.run(["nm", *options, path], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines() if line.strip() and not line.endswith(":")}


def main():
    linked = symbols(sys.argv[1])
    called = set()
    for archive in sys.argv[2:]:
        called |= {f"{archive.rsplit('/', 1)[-1]}: {name}"
                   for name in symbols(archive, "-u") & NOT_CALLED}
    segments = subprocess.run(["readelf", "-lW", sys.argv[1]], capture_output=True, text=True,
                              check=True).stdout
    executable = [l for l in segments.splitlines() if "LOAD" in l and " R E " in l]
    facts = (("no_name_service_is_linked", not linked & NOT_LINKED, linked & NOT_LINKED),
             ("our_code_calls_nothing_that_loads_code", not called, called),
             ("the_text_is_one_range", len(executable) == 1, executable),
             ("there_is_no_interpreter", "INTERP" not in segments, ""))
    print(f"TAP version 13\n1..{len(facts)}")
    for number, (name, good, found) in enumerate(facts, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            print(f"# {found}")
    return not all(good for _, good, _ in facts)


sys.exit(main())
