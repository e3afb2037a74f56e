-- Makes wrk print one line of JSON at its end: what `wrk.rs` reads.
done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"answers":%d,"microseconds":%d,"failed":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
      summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
