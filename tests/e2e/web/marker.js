// SPDX-License-Identifier: Apache-2.0
// The first callback can come before the element has anything to draw.
export function hasPicture(video) {
  return video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
}

// Reads the number burnt into a picture (lib/media.py): null when it is not
// intact, that is, when it does not match its complement.
export function readNumber(video, canvas, context, width) {
  // the squares' side is a fortieth of the width
  const side = Math.floor(width / 40);
  canvas.width = side * 16;
  canvas.height = side * 2;
  context.drawImage(video, 0, 0, side * 16, side * 2, 0, 0, side * 16, side * 2);
  const pixels = context.getImageData(0, 0, side * 16, side * 2).data;
  const rows = [0, 0];
  for (let row = 0; row < 2; row++) {
    for (let i = 0; i < 16; i++) {
      const x = i * side + (side >> 1);
      const y = row * side + (side >> 1);
      rows[row] = rows[row] * 2 + (pixels[(y * side * 16 + x) * 4 + 1] > 127 ? 1 : 0);
    }
  }
  return (rows[0] ^ rows[1]) === 0xffff ? rows[0] : null;
}
