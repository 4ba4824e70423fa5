// Loaded into Azurite before it starts (`node --require`), for a storm only.
//
// Azurite looks through all messages of an account for expired ones before it takes or deletes any
// (60 ms each at 10,000 messages), and once a minute it stands still for as long as it takes to
// drop the texts of those that are gone (a minute at 10,000). Azure's queues do neither. Nothing
// expires in a storm, and its texts are small: both can wait for its end.
"use strict";

const path = require("node:path");

if (path.basename(process.argv[1] || "") === "azurite.js") {
  const home = path.join(path.dirname(process.argv[1]), "queue");
  replace("persistence/LokiQueueMetadataStore.js", "clearExpiredMessages");
  replace("gc/QueueGCManager.js", "markSweep");

  function replace(file, method) {
    const { prototype } = require(path.join(home, file)).default;
    if (typeof prototype[method] !== "function") {
      throw new Error(`${file} has no ${method}: tests/storm/azurite.js is for another Azurite`);
    }
    prototype[method] = async () => {};
  }
}
