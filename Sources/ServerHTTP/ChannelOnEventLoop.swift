import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypesHTTP1

/// Serves each connection on the thread of its event loop, so that a request costs no change of thread on its way to
/// the scheduler and its answer only the one back from the worker (docs/decisions/0042).
///
/// What runs there must be short: every other connection of the loop waits for it.
///
/// A connection's requests are answered one after the other in one task, which is cancelled when the connection is
/// closed, by whomever: the request in work is given up then (docs/decisions/0064).
struct ChannelOnEventLoop<Base: ServerChildChannel>: ServerChildChannel {
  let base: Base
  let maxBodyBytes: Int

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
    base.setup(channel: channel, logger: logger).flatMapThrowing { [maxBodyBytes] value in
      let pipeline = channel.pipeline.syncOperations
      let codec = try pipeline.handler(type: HTTP1ToHTTPServerCodec.self)
      try pipeline.addHandler(HTTP1Duties(maxBodyBytes: maxBodyBytes), position: .before(codec))
      return value
    }
  }

  func handle(value: Base.Value, logger: Logger) async {
    let serving = Task {
      await withTaskExecutorPreference(EventLoopTaskExecutor(value.channel.eventLoop)) {
        await base.handle(value: value, logger: logger)
      }
    }
    // With the connection its client has gone: nobody waits for the answer to the request that is in work.
    value.channel.closeFuture.whenComplete { _ in serving.cancel() }
    await withTaskCancellationHandler {
      await serving.value
    } onCancel: {
      serving.cancel()
    }
  }
}

/// Runs the parts of a task on an event loop.
private final class EventLoopTaskExecutor: TaskExecutor {
  private let eventLoop: any EventLoop

  init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    eventLoop.execute { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
  }
}
