// SPDX-License-Identifier: Apache-2.0
// In place of npm's unix-dgram, which has to be compiled: janode's transport
// over datagram sockets of a file system is not used here.
export const createSocket = () => {
  throw new Error('no datagram sockets here');
};
