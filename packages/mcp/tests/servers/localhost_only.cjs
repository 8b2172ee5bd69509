// Loaded before a server from npm that would listen on every interface: it listens on this machine's own only.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  const asked = Number.isInteger(Number(port)) && typeof rest[0] !== "string";
  return listen.call(this, port, ...(asked ? ["127.0.0.1", ...rest] : rest));
};
