# The libraries the suite stands on; README.md says why each one.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(zmq REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(czmq REQUIRED IMPORTED_TARGET libczmq)
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(microhttpd REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(crypto REQUIRED IMPORTED_TARGET libcrypto)

# Debian 12 names the C library's file msgpack, Homebrew msgpack-c.
pkg_search_module(msgpack REQUIRED IMPORTED_TARGET msgpack-c msgpack)

if(MLX_TESTS)
    pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()

if(CMAKE_SYSTEM_NAME STREQUAL Linux)
    pkg_check_modules(systemd REQUIRED IMPORTED_TARGET libsystemd)
endif()

# macOS ships ncurses with wide characters as "ncurses", Debian as "ncursesw".
pkg_search_module(ncurses REQUIRED IMPORTED_TARGET ncursesw ncurses)
