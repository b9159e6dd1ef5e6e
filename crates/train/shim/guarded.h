// How functions of the shim report errors: each returns nullptr on success, else a malloc'ed message
// that the caller frees with mflag_free, so that no exception reaches Rust.
#pragma once

#include <c10/util/Exception.h>
#include <cstring>
#include <exception>

template <typename F>
char* guarded(F&& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& e) {
    return strdup(e.what_without_backtrace());
  } catch (const std::exception& e) {
    return strdup(e.what());
  } catch (...) {
    return strdup("an unknown C++ exception");
  }
}
