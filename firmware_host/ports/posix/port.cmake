# The host as a process of Linux.
set(FLEET_PORT_SOURCES ${PROJECT_SOURCE_DIR}/ports/posix/posix.c ${PROJECT_SOURCE_DIR}/ports/posix/sockets.c)
