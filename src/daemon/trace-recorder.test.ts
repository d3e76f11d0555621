import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TraceRecorder } from './trace-recorder.ts';

test('spans stand in the order in which they began, from the first', () => {
  const traces = new TraceRecorder();
  traces.record('a', 'disk', 1010, 5);
  traces.record('a', 'start', 1000, 50);
  assert.deepEqual(traces.traceOf('a'), {
    spans: [
      { name: 'start', startMs: 0, durationMs: 50 },
      { name: 'disk', startMs: 10, durationMs: 5 },
    ],
  });
  assert.deepEqual(traces.traceOf('b'), { spans: [] });
});

test('a later start replaces an earlier one', () => {
  const traces = new TraceRecorder();
  traces.record('a', 'start', 1000, 50);
  traces.record('a', 'start', 5000, 60);
  assert.deepEqual(traces.traceOf('a').spans, [{ name: 'start', startMs: 0, durationMs: 60 }]);
});

test('only so many containers are remembered', () => {
  const traces = new TraceRecorder();
  for (let i = 0; i < 300; i++) traces.record(`c${i}`, 'start', 1000, 1);
  assert.deepEqual(traces.traceOf('c0').spans, []);
  assert.equal(traces.traceOf('c299').spans.length, 1);
});
