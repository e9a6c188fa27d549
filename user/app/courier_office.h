/* SPDX-License-Identifier: Apache-2.0 */
/* The side of the process that delivers (app/courier.h): what it starts with, and what it runs. */
#ifndef APP_COURIER_OFFICE_H
#define APP_COURIER_OFFICE_H

/* First argument of the process: main() hands those behind it to courier_main(). */
#define COURIER_ARGUMENT       "courier"
#define COURIER_MORE_ARGUMENTS 1 /* the spool's folder, which no other configuration changes */

/* The descriptors that it starts with. */
enum {
	COURIER_SOCKET = 3,
	COURIER_SHARED,	  /* of struct agent_shared */
	COURIER_LISTENER, /* that listens for /metrics; /dev/null: none does */
	COURIER_OTHERS	  /* from here on there are none */
};

/* Kinds of messages that it gets. The first one is COURIER_CONFIG. */
enum courier_message {
	COURIER_CONFIG, /* with a file of agent_config_send() */
	COURIER_WAKE,	/* the spool has something new */
	COURIER_QUIT	/* payload: unsigned, for how many ms it may flush */
};

/*
 * Goes into the sandbox, delivers and exits. Returns if nobody wants it: descriptor COURIER_SOCKET
 * is no socket.
 */
void courier_main(char *const *arguments);

#endif
