// Signals are for the threads that run Python; a new thread inherits the mask.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace fastload {

// All signals are blocked for the calling thread, and those that it starts, while this is there.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace fastload
