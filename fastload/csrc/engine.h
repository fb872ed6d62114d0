// The pool of threads that turns indices into batches. Never touches Python.
//
// Note [how a batch is made]
// submit() queues a batch as a whole; threads take its samples one after the other, and go on
// with the next batch while the last samples of this one are still being worked on. The lane of
// training is served first, and before it, what someone waits for. A sample that needs Pillow goes
// to a list, from which Python's own threads take it (take_external) and give its pixels back
// (fill_external). What the batch's cache has is neither read nor decoded: see sample_cache.h.
// Everything of a batch is written before `pending` reaches zero, and read behind it.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "picture.h"
#include "recipe.h"
#include "sample_cache.h"
#include "slab_pool.h"
#include "source.h"

namespace fastload {

struct Failure {
  std::size_t slot = 0;
  Status status;
};

struct BatchRequest {
  std::shared_ptr<Source> source;
  std::shared_ptr<const Recipe> recipe;
  std::shared_ptr<SampleCache> cache;  // may be null; only for a fixed() recipe of its shape
  std::vector<std::size_t> indices;
  std::uint64_t first_position = 0;  // in the epoch's order, of the first index
  std::uint64_t seed = 0;
  int lane = 0;  // 0 training, 1 background
};

class Batch {
 public:
  Batch(BatchRequest request, std::shared_ptr<std::byte> slab)
      : request_(std::move(request)), slab_(std::move(slab)), pending_(request_.indices.size()) {}

  std::size_t size() const { return request_.indices.size(); }
  const BatchRequest& request() const { return request_; }
  // The memory. Once done(), the batch itself lets go of it: a thread that has just finished its
  // last sample still knows the batch, and would keep the memory from the pool.
  std::shared_ptr<std::byte> lend();
  Output output(std::size_t slot) const;
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  bool done() const { return pending_.load(std::memory_order_acquire) == 0; }
  // Samples that the cache had.
  std::size_t cache_hits() const { return cache_hits_.load(std::memory_order_relaxed); }
  // In the order of the slots; only once done().
  std::vector<Failure> failures() const;

 private:
  friend class Engine;

  BatchRequest request_;
  std::shared_ptr<std::byte> slab_;
  std::weak_ptr<std::byte> lent_;
  std::size_t next_ = 0;  // guarded by the engine's mutex
  std::atomic<std::size_t> pending_;
  std::atomic<bool> cancelled_{false};
  std::atomic<std::size_t> cache_hits_{0};
  mutable std::mutex failures_mutex_;
  std::vector<Failure> failures_;
  // Of samples that Pillow is reading and that the cache has room for: what find() left.
  std::map<std::size_t, KeptSample> to_keep_;  // guarded by failures_mutex_
};

struct ExternalSample {
  std::shared_ptr<Batch> batch;
  std::size_t slot = 0;
};

struct EngineStatistics {
  std::uint64_t images = 0;
  std::uint64_t errors = 0;
  std::uint64_t external = 0;    // decoded by Pillow
  std::uint64_t cache_hits = 0;  // images that the cache had
  std::uint64_t bytes_read = 0;  // from sources, not from the cache
  std::uint64_t read_nanoseconds = 0;
  std::uint64_t decode_nanoseconds = 0;
  std::uint64_t render_nanoseconds = 0;
  std::size_t queue_depth = 0;  // samples waiting
};

class Engine {
 public:
  // 0 threads: wait() does the work.
  explicit Engine(int threads);
  // Not in another process than the one that made it: see foreign().
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Null where there is no memory, or after close().
  std::shared_ptr<Batch> submit(BatchRequest request);
  // Waits at most `milliseconds` (or, without threads, works about as long). True: done. Without
  // threads it also returns where samples wait for take_external. A batch that is waited for is
  // worked on before all others.
  bool wait(Batch& batch, int milliseconds);

  // Samples not yet begun fail at once; those being worked on are finished.
  void cancel(const std::shared_ptr<Batch>& batch);

  // False: none came within `milliseconds`, or the engine was closed.
  bool take_external(int milliseconds, ExternalSample& sample);
  void fill_external(const ExternalSample& sample, const SourcePixels& pixels);
  void fail_external(const ExternalSample& sample, Status status);
  std::size_t external_pending() const;

  // Ends the threads; batches not done fail. May be called twice, and by the destructor.
  void close();
  bool closed() const;
  // Made in another process: after a fork the threads are gone and locks may be held. Then no
  // other member may be called, and the engine has to be left where it is.
  bool foreign() const;

  EngineStatistics statistics() const;
  std::size_t pool_bytes() const { return pools_[0]->total_bytes() + pools_[1]->total_bytes(); }
  // Frees the memory of batches of the background lane, which come once an epoch: that of those
  // still in use as soon as they give it back.
  void trim() { pools_[1]->trim(); }

 private:
  struct Task {
    std::shared_ptr<Batch> batch;
    std::size_t slot = 0;
    std::shared_ptr<Source> ahead_source;  // a sample to announce; may be null
    std::shared_ptr<SampleCache> ahead_cache;
    std::size_t ahead_index = 0;
  };
  struct Worker {
    PictureScratch scratch;
    ReadBuffer buffer;
    KeptSample kept;
  };

  // The mutex is held for these three.
  bool take(Task& task);
  void put_first(const Batch& batch);
  void look_ahead(Task& task) const;
  void work();
  void run(const Task& task, Worker& worker);
  Status make(const Task& task, Worker& worker);
  void finish(const std::shared_ptr<Batch>& batch, std::size_t slot, Status status);
  void count(const Worker& worker, std::size_t bytes, std::int64_t read_nanoseconds,
             std::int64_t decode_before, std::int64_t render_before);

  std::array<std::shared_ptr<SlabPool>, 2> pools_ = {std::make_shared<SlabPool>(),
                                                     std::make_shared<SlabPool>()};  // of the lanes
  int process_;
  mutable std::mutex mutex_;
  std::condition_variable work_there_;
  std::condition_variable batch_done_;
  std::condition_variable external_there_;
  std::array<std::deque<std::shared_ptr<Batch>>, 2> lanes_;
  std::deque<ExternalSample> external_;
  std::size_t external_pending_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
  std::vector<std::unique_ptr<Worker>> idle_workers_;  // of wait()s that work themselves

  std::atomic<std::uint64_t> images_{0};
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<std::uint64_t> external_done_{0};
  std::atomic<std::uint64_t> cache_hits_{0};
  std::atomic<std::uint64_t> bytes_read_{0};
  std::atomic<std::uint64_t> read_nanoseconds_{0};
  std::atomic<std::uint64_t> decode_nanoseconds_{0};
  std::atomic<std::uint64_t> render_nanoseconds_{0};
};

}  // namespace fastload
