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
    sections = {}
    for line in subprocess.run(["readelf", "-SW", sys.argv[1]], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        words = line.split("]")[-1].split()
        if len(words) > 4 and words[0].startswith("."):
            sections[words[0]] = (int(words[2], 16), int(words[4], 16))
    late, late_size = sections.get(".crypto_late", (0, 0))
    relocated = [int(line.split()[0], 16) for line in
                 subprocess.run(["readelf", "-rW", sys.argv[1]], capture_output=True, text=True,
                                check=True).stdout.splitlines() if "R_X86_64_RELATIVE" in line]
    at_start = [r for r in relocated if not late <= r < late + late_size]
    relro = [l.split() for l in segments.splitlines() if "GNU_RELRO" in l]
    relro_end = int(relro[0][2], 16) + int(relro[0][5], 16) if relro else 0
    executable = [l for l in segments.splitlines() if "LOAD" in l and " R E " in l]
    facts = (("no_name_service_is_linked", not linked & NOT_LINKED, linked & NOT_LINKED),
             ("our_code_calls_nothing_that_loads_code", not called, called),
             ("the_text_is_one_range", len(executable) == 1, executable),
             ("libcrypto_is_not_relocated_at_the_start", 0 < len(at_start) < len(relocated) / 4,
              f"{len(at_start)} of {len(relocated)}"),
             ("relocations_are_sorted", relocated == sorted(relocated), ""),
             ("tables_end_up_read_only", 0 < late + late_size <= relro_end, relro),
             ("there_is_no_interpreter", "INTERP" not in segments, ""))
    print(f"TAP version 13\n1..{len(facts)}")
    for number, (name, good, found) in enumerate(facts, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            print(f"# {found}")
    return not all(good for _, good, _ in facts)


sys.exit(main())
