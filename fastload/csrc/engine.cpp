#include "engine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <new>

#include <utility>
#include "signals_blocked.h"

namespace fastload {
namespace {

// How many samples ahead the system is asked to read.
constexpr std::size_t samples_ahead = 32;

std::int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Output Batch::output(std::size_t slot) const {
  const RecipeOutput& shape = request_.recipe->output();
  return shape.slot(slab_.get() + slot * shape.slot_bytes());
}

std::shared_ptr<std::byte> Batch::lend() {
  const std::lock_guard lock(failures_mutex_);
  if (slab_ == nullptr) return lent_.lock();
  lent_ = slab_;
  return done() ? std::move(slab_) : slab_;
}

std::vector<Failure> Batch::failures() const {
  const std::lock_guard lock(failures_mutex_);
  std::vector<Failure> sorted = failures_;
  std::sort(sorted.begin(), sorted.end(),
            [](const Failure& a, const Failure& b) { return a.slot < b.slot; });
  return sorted;
}

Engine::Engine(int threads) : process_(getpid()) {
  const SignalsBlocked blocked;
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Engine::~Engine() { close(); }

bool Engine::foreign() const { return getpid() != process_; }

std::shared_ptr<Batch> Engine::submit(BatchRequest request) {
  const std::size_t size = request.recipe->output().slot_bytes() * request.indices.size();
  const auto lane = static_cast<std::size_t>(request.lane);
  std::shared_ptr<std::byte> slab = pools_[lane]->acquire(size);
  if (slab == nullptr) return nullptr;
  auto batch = std::make_shared<Batch>(std::move(request), std::move(slab));
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return nullptr;
    if (batch->size() > 0) lanes_[lane].push_back(batch);
  }
  work_there_.notify_all();
  return batch;
}

bool Engine::take(Task& task) {
  for (auto& lane : lanes_) {
    while (!lane.empty() && lane.front()->next_ == lane.front()->size()) lane.pop_front();
    if (lane.empty()) continue;
    task.batch = lane.front();
    task.slot = task.batch->next_++;
    return true;
  }
  return false;
}

// The sample that is `samples_ahead` later in the lane's order.
void Engine::look_ahead(Task& task) const {
  std::size_t ahead = task.slot + samples_ahead;
  for (const auto& batch : lanes_[lanes_[0].empty() ? 1 : 0]) {
    if (ahead < batch->size()) {
      task.ahead_source = batch->request().source;
      task.ahead_cache = batch->request().cache;
      task.ahead_index = batch->request().indices[ahead];
      return;
    }
    ahead -= batch->size();
  }
}

void Engine::work() {
  Worker worker;
  std::unique_lock lock(mutex_);
  for (;;) {
    Task task;
    work_there_.wait(lock, [&] { return closed_ || take(task); });
    if (task.batch == nullptr) return;
    look_ahead(task);
    lock.unlock();
    run(task, worker);
    task = Task{};
    lock.lock();
  }
}

void Engine::run(const Task& task, Worker& worker) {
  Batch& batch = *task.batch;
  if (task.ahead_source != nullptr && !batch.cancelled()) {
    const bool kept = task.ahead_cache != nullptr && task.ahead_cache->announce(task.ahead_index);
    if (!kept) task.ahead_source->announce(task.ahead_index);
  }
  Status status;
  if (batch.cancelled()) {
    status = Status::error(Code::record, "cancelled");
  } else {
    try {
      status = make(task, worker);
    } catch (const std::bad_alloc&) {
      status = Status::error(Code::memory, "there is no memory to decode it");
    }
  }
  if (status.code == Code::unsupported && !batch.cancelled()) {
    {
      const std::lock_guard lock(mutex_);
      external_.push_back({task.batch, task.slot});
      ++external_pending_;
    }
    external_there_.notify_one();
    return;
  }
  finish(task.batch, task.slot, std::move(status));
}

// From the cache, or from the source, and then into the cache.
Status Engine::make(const Task& task, Worker& worker) {
  Batch& batch = *task.batch;
  const BatchRequest& request = batch.request();
  SampleCache* cache = request.cache.get();
  const std::size_t index = request.indices[task.slot];
  const std::int64_t decode_before = worker.scratch.decode_nanoseconds;
  const std::int64_t render_before = worker.scratch.render_nanoseconds;
  const std::int64_t start = nanoseconds();
  const auto found = cache == nullptr ? SampleCache::Found::nothing
                                      : cache->find(*request.source, index, worker.kept);
  Status status;
  std::size_t bytes = 0;
  std::int64_t read = 0;
  if (found == SampleCache::Found::pixels) {
    read = nanoseconds() - start;
    cache->write(worker.kept, batch.output(task.slot));
    worker.scratch.render_nanoseconds += nanoseconds() - start - read;
    cache_hits_.fetch_add(1, std::memory_order_relaxed);
    batch.cache_hits_.fetch_add(1, std::memory_order_relaxed);
  } else {
    const bool keeps = found == SampleCache::Found::room;
    Record record;
    status = request.source->read(index, worker.buffer, record, bytes);
    read = nanoseconds() - start;
    if (status.ok()) {
      status = render_record(record, ReadBuffer::slack, *request.recipe, request.seed,
                             request.first_position + task.slot,
                             keeps ? cache->planes(worker.kept) : batch.output(task.slot),
                             worker.scratch);
    }
    if (keeps && status.ok()) {
      cache->write(worker.kept, batch.output(task.slot));
      cache->keep(index, worker.kept);
    } else if (keeps && status.code == Code::unsupported) {
      const std::lock_guard lock(batch.failures_mutex_);
      batch.to_keep_[task.slot] = {worker.kept.fingerprint, worker.kept.overwrites, {}};
    }
  }
  count(worker, bytes, read, decode_before, render_before);
  return status;
}

void Engine::count(const Worker& worker, std::size_t bytes, std::int64_t read_nanoseconds,
                   std::int64_t decode_before, std::int64_t render_before) {
  constexpr auto relaxed = std::memory_order_relaxed;
  bytes_read_.fetch_add(bytes, relaxed);
  read_nanoseconds_.fetch_add(static_cast<std::uint64_t>(read_nanoseconds), relaxed);
  decode_nanoseconds_.fetch_add(
      static_cast<std::uint64_t>(worker.scratch.decode_nanoseconds - decode_before), relaxed);
  render_nanoseconds_.fetch_add(
      static_cast<std::uint64_t>(worker.scratch.render_nanoseconds - render_before), relaxed);
}

void Engine::finish(const std::shared_ptr<Batch>& batch, std::size_t slot, Status status) {
  if (status.ok()) {
    images_.fetch_add(1, std::memory_order_relaxed);
  } else {
    if (!batch->cancelled()) errors_.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(batch->failures_mutex_);
    batch->failures_.push_back({slot, std::move(status)});
  }
  if (batch->pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    // Under the lock, so that nobody misses it between looking and sleeping.
    const std::lock_guard lock(mutex_);
    batch_done_.notify_all();
  }
}

void Engine::cancel(const std::shared_ptr<Batch>& batch) {
  batch->cancelled_.store(true, std::memory_order_relaxed);
  std::size_t slot = batch->size();
  {
    const std::lock_guard lock(mutex_);
    for (auto& lane : lanes_) {
      const auto found = std::find(lane.begin(), lane.end(), batch);
      if (found == lane.end()) continue;
      slot = std::exchange(batch->next_, batch->size());
      lane.erase(found);
      break;
    }
  }
  for (; slot < batch->size(); ++slot) {
    finish(batch, slot, Status::error(Code::record, "cancelled"));
  }
}

// What someone waits for goes before everything else, whatever lane it was begun in.
void Engine::put_first(const Batch& batch) {
  auto& background = lanes_[1];
  const auto found = std::find_if(background.begin(), background.end(),
                                  [&](const auto& queued) { return queued.get() == &batch; });
  if (found == background.end()) return;
  lanes_[0].push_front(*found);
  background.erase(found);
}

bool Engine::wait(Batch& batch, int milliseconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  std::unique_lock lock(mutex_);
  put_first(batch);
  if (threads_.empty()) {
    std::unique_ptr<Worker> worker;
    if (idle_workers_.empty()) {
      worker = std::make_unique<Worker>();
    } else {
      worker = std::move(idle_workers_.back());
      idle_workers_.pop_back();
    }
    while (!batch.done() && std::chrono::steady_clock::now() < deadline) {
      Task task;
      if (!take(task)) break;
      look_ahead(task);
      lock.unlock();
      run(task, *worker);
      task = Task{};
      lock.lock();
    }
    idle_workers_.push_back(std::move(worker));
    if (batch.done()) return true;
    if (!external_.empty()) return false;  // who waits has to serve those as well
  }
  return batch_done_.wait_until(lock, deadline, [&] { return batch.done(); });
}

bool Engine::take_external(int milliseconds, ExternalSample& sample) {
  std::unique_lock lock(mutex_);
  const bool there = external_there_.wait_for(lock, std::chrono::milliseconds(milliseconds),
                                              [&] { return closed_ || !external_.empty(); });
  if (!there || external_.empty()) return false;
  sample = external_.front();
  external_.pop_front();
  return true;
}

void Engine::fill_external(const ExternalSample& sample, const SourcePixels& pixels) {
  const BatchRequest& request = sample.batch->request();
  PictureScratch scratch;
  KeptSample kept;
  {
    const std::lock_guard lock(sample.batch->failures_mutex_);
    auto found = sample.batch->to_keep_.extract(sample.slot);
    if (!found.empty()) kept = std::move(found.mapped());
  }
  const bool keeps = kept.fingerprint != 0;
  const Output output = sample.batch->output(sample.slot);
  Status status =
      render_pixels(pixels, *request.recipe, request.seed, request.first_position + sample.slot,
                    keeps ? request.cache->planes(kept) : output, scratch);
  if (keeps && status.ok()) {
    request.cache->write(kept, output);
    request.cache->keep(request.indices[sample.slot], kept);
  }
  external_done_.fetch_add(1, std::memory_order_relaxed);
  fail_external(sample, std::move(status));
}

void Engine::fail_external(const ExternalSample& sample, Status status) {
  {
    const std::lock_guard lock(mutex_);
    --external_pending_;
  }
  finish(sample.batch, sample.slot, std::move(status));
}

std::size_t Engine::external_pending() const {
  const std::lock_guard lock(mutex_);
  return external_pending_;
}

bool Engine::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Engine::close() {
  std::array<std::deque<std::shared_ptr<Batch>>, 2> lanes;
  std::deque<ExternalSample> external;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    lanes.swap(lanes_);
    external.swap(external_);
  }
  work_there_.notify_all();
  external_there_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  const auto closed = [] { return Status::error(Code::record, "the loader was closed"); };
  for (const auto& lane : lanes) {
    for (const auto& batch : lane) {
      for (; batch->next_ < batch->size(); ++batch->next_) finish(batch, batch->next_, closed());
    }
  }
  for (const ExternalSample& sample : external) fail_external(sample, closed());
  for (const auto& pool : pools_) pool->close();
}

EngineStatistics Engine::statistics() const {
  constexpr auto relaxed = std::memory_order_relaxed;
  EngineStatistics s;
  s.images = images_.load(relaxed);
  s.errors = errors_.load(relaxed);
  s.external = external_done_.load(relaxed);
  s.cache_hits = cache_hits_.load(relaxed);
  s.bytes_read = bytes_read_.load(relaxed);
  s.read_nanoseconds = read_nanoseconds_.load(relaxed);
  s.decode_nanoseconds = decode_nanoseconds_.load(relaxed);
  s.render_nanoseconds = render_nanoseconds_.load(relaxed);
  const std::lock_guard lock(mutex_);
  for (const auto& lane : lanes_) {
    for (const auto& batch : lane) s.queue_depth += batch->size() - batch->next_;
  }
  return s;
}

}  // namespace fastload
