-- Prints what wrk measured as one line of JSON; latencies in seconds.
done = function(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"failed":%d,"p50":%.6f,"p99":%.6f,"max":%.6f}\n', summary.requests,
    summary.duration / 1e6, failed, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6, latency.max / 1e6))
end
