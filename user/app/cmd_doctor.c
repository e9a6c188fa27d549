/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_doctor.h"
int cmd_doctor(int argc, char **argv)
{
	return 1;
}
