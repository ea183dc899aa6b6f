# Warnings, hardening and sanitizers for every target, and the functions that the folders use.

add_library(mlx_flags INTERFACE)
target_include_directories(mlx_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_compile_definitions(mlx_flags INTERFACE
    MLX_VERSION="${PROJECT_VERSION}"
    $<$<PLATFORM_ID:Linux>:_GNU_SOURCE>
    $<$<PLATFORM_ID:Darwin>:_DARWIN_C_SOURCE>)
target_compile_options(mlx_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror
    -fno-common -fvisibility=hidden)

# A program loads the libraries that its own objects call, not all that its static libraries name.
if(APPLE)
    target_link_options(mlx_flags INTERFACE -Wl,-dead_strip_dylibs)
else()
    target_link_options(mlx_flags INTERFACE -Wl,--as-needed)
endif()

if(MLX_SANITIZE)
    target_compile_options(mlx_flags INTERFACE -fsanitize=${MLX_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(mlx_flags INTERFACE -fsanitize=${MLX_SANITIZE})
else()
    target_compile_options(mlx_flags INTERFACE
        $<$<CONFIG:Release,RelWithDebInfo>:-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
    # What not every compiler or processor has: CET is of x86, the others of gcc 12 and clang 16.
    include(CheckCCompilerFlag)
    foreach(flag stack-clash-protection cf-protection=full trivial-auto-var-init=zero)
        string(MAKE_C_IDENTIFIER "mlx_has_${flag}" has)
        check_c_compiler_flag("-Werror -f${flag}" ${has})
        if(${has})
            target_compile_options(mlx_flags INTERFACE $<$<CONFIG:Release,RelWithDebInfo>:-f${flag}>)
        endif()
    endforeach()
    if(NOT APPLE)
        target_link_options(mlx_flags INTERFACE $<$<CONFIG:Release,RelWithDebInfo>:-Wl,-z,relro,-z,now,-z,noexecstack -pie>)
    endif()
endif()

# mlx_library(NAME SOURCES ... [LIBRARIES ...]): a static library of the suite.
function(mlx_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC mlx_flags ${ARG_LIBRARIES})
endfunction()

# mlx_program(NAME SOURCES ... [LIBRARIES ...]): an installed executable.
function(mlx_program name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE mlx_flags ${ARG_LIBRARIES})
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    # Man page and completions come from the program's own table of arguments.
    install(CODE "
        set(root \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\")
        foreach(text man:${CMAKE_INSTALL_MANDIR}/man1/${name}.1
                     bash:${CMAKE_INSTALL_DATADIR}/bash-completion/completions/${name}
                     zsh:${CMAKE_INSTALL_DATADIR}/zsh/site-functions/_${name}
                     fish:${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d/${name}.fish)
            string(REPLACE \":\" \";\" text \"\${text}\")
            list(GET text 0 kind)
            list(GET text 1 file)
            get_filename_component(folder \"\${root}/\${file}\" DIRECTORY)
            file(MAKE_DIRECTORY \"\${folder}\")
            execute_process(COMMAND \"$<TARGET_FILE:${name}>\" --generate \${kind}
                OUTPUT_FILE \"\${root}/\${file}\" COMMAND_ERROR_IS_FATAL ANY)
            list(APPEND CMAKE_INSTALL_MANIFEST_FILES \"\${CMAKE_INSTALL_PREFIX}/\${file}\")
        endforeach()")
endfunction()

# mlx_test(NAME SOURCES ... [LIBRARIES ...] [TIMEOUT s]): a cmocka program that ctest runs.
function(mlx_test name)
    cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 180)
    endif()
    add_executable(test_${name} ${ARG_SOURCES})
    target_link_libraries(test_${name} PRIVATE mlx_flags ${ARG_LIBRARIES} PkgConfig::cmocka)
    add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()
