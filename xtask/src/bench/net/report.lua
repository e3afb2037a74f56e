-- Makes wrk print one line of JSON at its end: what `load.rs` reads.
done = function(summary, latency, requests)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   io.write(string.format('\n{"answers":%d,"microseconds":%d,"failed":%d}\n',
      summary.requests, summary.duration, failed))
end
