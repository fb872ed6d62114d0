// The engine without an interpreter, made for ThreadSanitizer: batches from several threads,
// cancelling, the external lane, closing in the middle, a cache of samples that others damage,
// parts of a joined source that come and go. Exits with 1 where a batch is wrong.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "engine.h"
#include "hash.h"
#include "joined_source.h"

using namespace fastload;

namespace {

constexpr int side = 16;
constexpr std::size_t samples = 64;
constexpr std::size_t external_every = 8;  // codec `other`: for Pillow, were there one

void expect(bool truth, const char* what) {
  if (truth) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

// A record of `side` x `side` pixels that all have the sample's number as their value.
std::vector<std::uint8_t> record_of(std::size_t index) {
  const std::vector<std::uint8_t> body(3 * side * side, static_cast<std::uint8_t>(index));
  const bool external = index % external_every == 0;
  std::vector<std::uint8_t> bytes(record_header_size);
  std::memcpy(bytes.data(), "FLRC\1", 5);
  bytes[5] = static_cast<std::uint8_t>(external ? Codec::other : Codec::raw);
  store_le(bytes.data() + 8, static_cast<std::uint64_t>(index));
  store_le(bytes.data() + 16, std::uint32_t{side});
  store_le(bytes.data() + 20, std::uint32_t{side});
  store_le(bytes.data() + 32, static_cast<std::uint64_t>(body.size()));
  store_le(bytes.data() + 40, xxh3_64(ByteSpan{body.data(), body.size()}));
  store_le(bytes.data() + 56, xxh3_64(ByteSpan{bytes.data(), 56}));
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

// An empty file without a name.
int temporary_file() {
  char path[] = "/tmp/fastload-engine-test-XXXXXX";
  const int descriptor = mkstemp(path);
  expect(descriptor >= 0, "a temporary file");
  unlink(path);
  return descriptor;
}

std::shared_ptr<StoreSource> make_source() {
  const int descriptor = temporary_file();
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint64_t> lengths;
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    const std::vector<std::uint8_t> bytes = record_of(i);
    expect(write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
           "writing records");
    offsets.push_back(end);
    lengths.push_back(bytes.size());
    end += bytes.size();
  }
  return std::make_shared<StoreSource>(descriptor, offsets, lengths);
}

std::shared_ptr<Recipe> make_recipe() {
  Operation crop;
  crop.kind = Operation::Kind::random_resized_crop;
  crop.height = crop.width = side;
  crop.low = 0.08;
  crop.high = 1;
  crop.ratio_low = 0.75;
  crop.ratio_high = 4.0 / 3;
  RecipeOutput output;
  output.height = output.width = side;
  auto recipe = std::make_shared<Recipe>();
  expect(Recipe::make({crop}, output, PassOrder::cheaper_first, *recipe).ok(), "the recipe");
  return recipe;
}

// Without anything random, so that its samples can be kept.
std::shared_ptr<Recipe> make_fixed_recipe() {
  Operation resize;
  resize.kind = Operation::Kind::resize;
  resize.height = resize.width = side;
  RecipeOutput output;
  output.height = output.width = side;
  auto recipe = std::make_shared<Recipe>();
  expect(Recipe::make({resize}, output, PassOrder::cheaper_first, *recipe).ok(), "the recipe");
  expect(recipe->fixed() && !make_recipe()->fixed(), "which recipes are fixed");
  return recipe;
}

BatchRequest request(const std::shared_ptr<Source>& source, const std::shared_ptr<Recipe>& recipe,
                     std::size_t first, std::size_t count, int lane) {
  BatchRequest r;
  r.source = source;
  r.recipe = recipe;
  for (std::size_t i = 0; i < count; ++i) r.indices.push_back((first + i) % samples);
  r.lane = lane;
  return r;
}

void check(const Batch& batch) {
  expect(batch.failures().empty(), "no sample fails");
  for (std::size_t slot = 0; slot < batch.size(); ++slot) {
    const auto* pixels = static_cast<const std::uint8_t*>(batch.output(slot).data);
    for (int i = 0; i < 3 * side * side; ++i) {
      expect(pixels[i] == batch.request().indices[slot], "each slot holds its own sample");
    }
  }
}

// Plays the part of Python's threads until the engine closes.
void serve_external(Engine& engine) {
  while (!engine.closed()) {
    ExternalSample sample;
    if (!engine.take_external(20, sample)) continue;
    const std::size_t index = sample.batch->request().indices[sample.slot];
    const std::vector<std::uint8_t> pixels(3 * side * side, static_cast<std::uint8_t>(index));
    engine.fill_external(sample, {pixels.data(), 3 * side, 3, {0, 0, side, side}});
  }
}

void run(int threads) {
  const auto source = make_source();
  const auto recipe = make_recipe();
  auto engine = std::make_unique<Engine>(threads);
  std::thread first_server([&] { serve_external(*engine); });
  std::thread second_server([&] { serve_external(*engine); });
  std::vector<std::thread> users;
  for (int user = 0; user < 3; ++user) {
    users.emplace_back([&, user] {
      std::deque<std::shared_ptr<Batch>> ahead;
      for (std::size_t n = 0; n < 60; ++n) {
        ahead.push_back(engine->submit(request(source, recipe, 7 * n, 1 + n % 32, user % 2)));
        expect(ahead.back() != nullptr, "an open engine takes batches");
        if (n % 10 == 9) {
          engine->cancel(ahead.back());
          ahead.pop_back();
        }
        if (ahead.size() < 4) continue;
        while (!engine->wait(*ahead.front(), 50)) {
        }
        check(*ahead.front());
        ahead.pop_front();
      }
      engine->statistics();
      // What is left is dropped without waiting, as by a loop that breaks early.
    });
  }
  for (std::thread& user : users) user.join();

  std::vector<std::shared_ptr<Batch>> unfinished;
  for (std::size_t n = 0; n < 20; ++n) {
    unfinished.push_back(engine->submit(request(source, recipe, n, 64, 0)));
  }
  engine->close();
  first_server.join();
  second_server.join();
  expect(engine->submit(request(source, recipe, 0, 4, 0)) == nullptr, "a closed engine takes none");
  engine.reset();
  unfinished.clear();
}

// Two engines, as of two loaders, with a cache each on one file, while a third party damages it.
void run_cached(int threads, std::uint64_t slots) {
  const auto source = make_source();
  const auto recipe = make_fixed_recipe();
  const int file = temporary_file();
  const std::size_t slot = SampleCache::slot_bytes(3, side, side);
  // Some samples find room only where others leave it.
  const std::uint64_t budget = slots == 0 ? 0 : slots * slot + 3 * SampleCache::page_bytes;
  std::vector<std::thread> loaders;
  std::atomic<int> undisturbed{0};  // loaders that have used the cache in peace
  std::atomic<bool> damaging{true};
  for (int number = 0; number < 2; ++number) {
    loaders.emplace_back([&] {
      auto cache = std::make_shared<SampleCache>(dup(file), 3, side, side, 7, budget, true);
      Engine engine(threads);
      std::thread server([&] { serve_external(engine); });
      std::size_t hits = 0;
      for (std::size_t n = 0; n < 100; ++n) {
        BatchRequest r = request(source, recipe, n < 20 ? 0 : 5 * n, 32, static_cast<int>(n % 2));
        r.cache = cache;
        const auto batch = engine.submit(std::move(r));
        while (!engine.wait(*batch, 50)) {
        }
        check(*batch);
        hits += batch->cache_hits();
        if (n == 20) {
          expect((slots > 0) == (hits > 0), "the cache is used where it has room");
          ++undisturbed;
        }
      }
      expect(engine.statistics().cache_hits == hits, "batches count the engine's hits");
      engine.close();
      server.join();
    });
  }
  std::thread vandal([&] {
    while (undisturbed.load() < 2) std::this_thread::yield();
    for (std::size_t n = 0; damaging.load(); ++n) {
      const std::uint8_t byte = static_cast<std::uint8_t>(n);
      const std::size_t place = SampleCache::file_header_bytes + n * 4001 % (samples * slot);
      struct stat info{};
      if (fstat(file, &info) == 0 && static_cast<std::size_t>(info.st_size) > place) {
        expect(pwrite(file, &byte, 1, static_cast<off_t>(place)) == 1, "damaging");
      }
      if (n % 1000 == 999) expect(ftruncate(file, static_cast<off_t>(place)) == 0, "cutting");
      std::this_thread::yield();
    }
  });
  for (std::thread& loader : loaders) loader.join();
  damaging.store(false);
  vandal.join();
  close(file);
}

// Shards that are brought and dropped while batches of all of them are read; whose shard is away
// comes by the external lane.
void run_joined(int threads) {
  constexpr std::uint32_t part_count = 3;
  std::vector<std::uint32_t> parts;
  std::vector<std::uint32_t> places;
  for (std::uint32_t i = 0; i < samples; ++i) {
    parts.push_back(i % part_count);
    places.push_back(i);
  }
  const auto joined =
      std::make_shared<JoinedSource>(parts, places, std::vector<std::uint64_t>(samples));
  const auto small = std::make_shared<StoreSource>(temporary_file(), std::vector<std::uint64_t>{},
                                                   std::vector<std::uint64_t>{});
  expect(!joined->attach(part_count, make_source()), "there is no such part");
  expect(!joined->attach(0, small), "a part has all its samples");
  Engine engine(threads);
  std::thread server([&] { serve_external(engine); });
  std::atomic<bool> moving{true};
  std::thread mover([&] {
    const auto whole = make_source();
    for (std::uint32_t n = 0; moving.load(); ++n) {
      expect(joined->attach(n % part_count, n % 2 == 0 ? whole : nullptr), "moving a part");
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> users;
  for (int user = 0; user < 2; ++user) {
    users.emplace_back([&, user] {
      const auto recipe = make_recipe();
      for (std::size_t n = 0; n < 60; ++n) {
        const auto batch = engine.submit(request(joined, recipe, 7 * n, 1 + n % 32, user));
        while (!engine.wait(*batch, 50)) {
        }
        check(*batch);
      }
    });
  }
  for (std::thread& user : users) user.join();
  moving.store(false);
  mover.join();
  engine.close();
  server.join();
}

}  // namespace

int main() {
  for (const int threads : {0, 1, 4}) run(threads);
  for (const int threads : {0, 1, 4}) run_joined(threads);
  for (const int threads : {0, 1, 4}) {
    for (const std::uint64_t slots : {0, 20, 1000}) run_cached(threads, slots);
  }
  std::puts("engine: passed");
}
