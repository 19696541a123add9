/** The page at `/`: where to go from here. No script, no style, nothing from elsewhere. */
export const frontPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Millrace</title>
<h1>Millrace</h1>
<p>Ordered, exactly-once state per key.</p>
<ul>
<li><a href="/v1/status">/v1/status</a>: this node and its partitions
<li><a href="/v1/dead-letters">/v1/dead-letters</a>: events that were set aside
<li><a href="/v1/quarantine">/v1/quarantine</a>: keys whose events wait for an operator
<li><code>GET /v1/events/{id}</code>: what was decided about an event, and why
<li><code>POST /v1/events</code>: publish one event, an array, or NDJSON
<li><code>GET /v1/state/{key}</code>: state of a key; <code>?after=stream:sequence:partition&amp;wait=5s</code> waits for an event
</ul>
</html>
`;
