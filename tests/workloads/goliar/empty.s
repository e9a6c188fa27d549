// SPDX-License-Identifier: Apache-2.0
// For Go to take a function without a body.
