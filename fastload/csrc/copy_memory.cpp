#include "copy_memory.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "signals_blocked.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace fastload {
namespace {

constexpr std::uint64_t share_bytes = 4 << 20;
// Below this, starting a thread costs more than it helps.
constexpr std::uint64_t small_bytes = 16 << 20;
constexpr std::uint64_t past_the_caches_bytes = 4096;

// Note [past the caches]: a store into memory that is not in a cache first reads the line it is
// about to overwrite, and pushes out what training works with. Streaming stores do neither: 500 MB
// took 25 ms, and 51 ms with memcpy, which chooses them only for stretches of many megabytes.
void copy(const CopyPiece& piece) {
  auto* target = reinterpret_cast<unsigned char*>(piece.target);
  const auto* source = reinterpret_cast<const unsigned char*>(piece.source);
  std::uint64_t left = piece.size;
  if (left == 0) return;  // such a piece may have no address
#if defined(__x86_64__)
  if (left >= past_the_caches_bytes) {
    const std::uint64_t head = (64 - (piece.target & 63)) & 63;
    std::memcpy(target, source, head);
    target += head;
    source += head;
    left -= head;
    for (; left >= 64; left -= 64, target += 64, source += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(source) + 512, _MM_HINT_NTA);
      const auto* from = reinterpret_cast<const __m128i*>(source);
      auto* to = reinterpret_cast<__m128i*>(target);
      const __m128i a = _mm_loadu_si128(from);
      const __m128i b = _mm_loadu_si128(from + 1);
      const __m128i c = _mm_loadu_si128(from + 2);
      const __m128i d = _mm_loadu_si128(from + 3);
      _mm_stream_si128(to, a);
      _mm_stream_si128(to + 1, b);
      _mm_stream_si128(to + 2, c);
      _mm_stream_si128(to + 3, d);
    }
    // Streaming stores are ordered by nothing else, and another thread will read these bytes.
    _mm_sfence();
  }
#endif
  std::memcpy(target, source, left);
}

// Outlives the call where a helper comes too late.
struct Work {
  std::vector<CopyPiece> pieces;
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t done = 0;

  void take_all() {
    std::size_t mine = 0;
    for (std::size_t i; (i = next.fetch_add(1)) < pieces.size(); ++mine) copy(pieces[i]);
    if (mine == 0) return;
    const std::lock_guard<std::mutex> lock(mutex);
    done += mine;
    if (done == pieces.size()) changed.notify_all();
  }
};

void start_helpers(const std::shared_ptr<Work>& work, int count) {
  const SignalsBlocked blocked;
  try {
    for (int i = 0; i < count; ++i) std::thread([work] { work->take_all(); }).detach();
  } catch (const std::system_error&) {
    // No more threads to be had: those that are there do it, at least the calling one.
  }
}

}  // namespace

void copy_memory(const CopyPiece* pieces, std::size_t count, int threads) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) total += pieces[i].size;
  if (threads < 2 || total < small_bytes) {
    for (std::size_t i = 0; i < count; ++i) copy(pieces[i]);
    return;
  }
  const auto work = std::make_shared<Work>();
  work->pieces.reserve(count + static_cast<std::size_t>(total / share_bytes));
  for (std::size_t i = 0; i < count; ++i) {
    for (std::uint64_t at = 0; at < pieces[i].size; at += share_bytes) {
      const std::uint64_t size = std::min(share_bytes, pieces[i].size - at);
      work->pieces.push_back({pieces[i].target + at, pieces[i].source + at, size});
    }
  }
  start_helpers(work, threads - 1);
  work->take_all();
  std::unique_lock<std::mutex> lock(work->mutex);
  work->changed.wait(lock, [&] { return work->done == work->pieces.size(); });
}

}  // namespace fastload
