# The libraries the suite stands on; README.md says why each one.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# mlx_need(NAME DEBIAN BREW MODULE...): the target PkgConfig::NAME of the first module that is there, or an
# error that names the package.
macro(mlx_need name debian brew)
    pkg_search_module(${name} IMPORTED_TARGET ${ARGN})
    if(NOT ${name}_FOUND)
        message(FATAL_ERROR "${name} was not found: apt-get install ${debian}, or brew install ${brew}. "
            "deploy/up and tests/run install everything that is needed.")
    endif()
endmacro()

mlx_need(zmq libzmq3-dev zeromq libzmq)
mlx_need(czmq libczmq-dev czmq libczmq)
mlx_need(sqlite3 libsqlite3-dev sqlite sqlite3)
mlx_need(curl libcurl4-openssl-dev curl libcurl)
mlx_need(yaml libyaml-dev libyaml yaml-0.1)
mlx_need(zlib zlib1g-dev zlib zlib)
mlx_need(jansson libjansson-dev jansson jansson)
mlx_need(microhttpd libmicrohttpd-dev libmicrohttpd libmicrohttpd)
mlx_need(crypto libssl-dev openssl@3 libcrypto)

# msgpack's C library was called msgpack before version 5. Its CMake package comes first, because the
# pkg-config file of version 6 names a relative folder of headers where both paths are absolute.
add_library(mlx_msgpack INTERFACE)
find_package(msgpack-c CONFIG QUIET)
if(NOT msgpack-c_FOUND)
    find_package(msgpack CONFIG QUIET)
endif()
if(TARGET msgpack-c)
    target_link_libraries(mlx_msgpack INTERFACE msgpack-c)
elseif(TARGET msgpackc)
    target_link_libraries(mlx_msgpack INTERFACE msgpackc)
else()
    mlx_need(msgpack libmsgpack-dev msgpack msgpack-c msgpack)
    target_link_libraries(mlx_msgpack INTERFACE PkgConfig::msgpack)
endif()

if(MLX_TESTS)
    mlx_need(cmocka libcmocka-dev cmocka cmocka)
endif()

if(CMAKE_SYSTEM_NAME STREQUAL Linux)
    mlx_need(systemd libsystemd-dev systemd libsystemd)
endif()

# macOS ships ncurses with wide characters as "ncurses", Debian as "ncursesw".
mlx_need(ncurses libncurses-dev ncurses ncursesw ncurses)
