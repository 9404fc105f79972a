/* boot/shared/nothing.S — an executable of CMake has at least one source; all of the image comes from libraries. */
