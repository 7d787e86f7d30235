/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tsan: GLib's locks are made of futexes in a library that ThreadSanitizer
 * does not see into. Linked with --wrap into builds with -Db_sanitize=thread,
 * these functions tell it what each lock orders.
 */
#include <gio/gio.h>

void __tsan_acquire (void *address);
void __tsan_release (void *address);

#define WRAP_LOCK(name, type)                                                  \
  void __real_##name (type *lock);                                             \
  void __wrap_##name (type *lock);                                             \
  void __wrap_##name (type *lock)                                              \
  {                                                                            \
    __real_##name (lock);                                                      \
    __tsan_acquire (lock);                                                     \
  }
#define WRAP_UNLOCK(name, type)                                                \
  void __real_##name (type *lock);                                             \
  void __wrap_##name (type *lock);                                             \
  void __wrap_##name (type *lock)                                              \
  {                                                                            \
    __tsan_release (lock);                                                     \
    __real_##name (lock);                                                      \
  }
#define WRAP_TRYLOCK(name, type)                                               \
  gboolean __real_##name (type *lock);                                         \
  gboolean __wrap_##name (type *lock);                                         \
  gboolean __wrap_##name (type *lock)                                          \
  {                                                                            \
    if (!__real_##name (lock))                                                 \
      return FALSE;                                                            \
    __tsan_acquire (lock);                                                     \
    return TRUE;                                                               \
  }

WRAP_LOCK (g_mutex_lock, GMutex)
WRAP_UNLOCK (g_mutex_unlock, GMutex)
WRAP_TRYLOCK (g_mutex_trylock, GMutex)
WRAP_LOCK (g_rec_mutex_lock, GRecMutex)
WRAP_UNLOCK (g_rec_mutex_unlock, GRecMutex)
WRAP_LOCK (g_rw_lock_writer_lock, GRWLock)
WRAP_UNLOCK (g_rw_lock_writer_unlock, GRWLock)
WRAP_LOCK (g_rw_lock_reader_lock, GRWLock)
WRAP_UNLOCK (g_rw_lock_reader_unlock, GRWLock)

void __real_g_cond_wait (GCond *cond, GMutex *lock);
void __wrap_g_cond_wait (GCond *cond, GMutex *lock);
void
__wrap_g_cond_wait (GCond *cond, GMutex *lock)
{
  __tsan_release (lock);
  __real_g_cond_wait (cond, lock);
  __tsan_acquire (lock);
}

gboolean __real_g_cond_wait_until (GCond *cond, GMutex *lock, gint64 end_us);
gboolean __wrap_g_cond_wait_until (GCond *cond, GMutex *lock, gint64 end_us);
gboolean
__wrap_g_cond_wait_until (GCond *cond, GMutex *lock, gint64 end_us)
{
  gboolean is_signalled;

  __tsan_release (lock);
  is_signalled = __real_g_cond_wait_until (cond, lock, end_us);
  __tsan_acquire (lock);
  return is_signalled;
}

gboolean __real_g_once_init_enter (void *location);
gboolean __wrap_g_once_init_enter (void *location);
gboolean
__wrap_g_once_init_enter (void *location)
{
  gboolean is_first = __real_g_once_init_enter (location);

  __tsan_acquire (location);
  return is_first;
}

void __real_g_once_init_leave (void *location, gsize result);
void __wrap_g_once_init_leave (void *location, gsize result);
void
__wrap_g_once_init_leave (void *location, gsize result)
{
  __tsan_release (location);
  __real_g_once_init_leave (location, result);
}

/* Threads and queues that GLib runs: what is before the call is before what
 * the call starts or what takes it out again. */
typedef struct
{
  GThreadFunc func;
  gpointer data;
} Start;

static gpointer
run (gpointer data)
{
  Start start = *(Start *)data;
  gpointer result;

  __tsan_acquire (data);
  g_free (data);
  result = start.func (start.data);
  __tsan_release (g_thread_self ());
  return result;
}

GThread *__real_g_thread_new (const char *name, GThreadFunc func,
                              gpointer data);
GThread *__wrap_g_thread_new (const char *name, GThreadFunc func,
                              gpointer data);
GThread *
__wrap_g_thread_new (const char *name, GThreadFunc func, gpointer data)
{
  Start *start = g_new (Start, 1);

  *start = (Start){ func, data };
  __tsan_release (start);
  return __real_g_thread_new (name, run, start);
}

gpointer __real_g_thread_join (GThread *thread);
gpointer __wrap_g_thread_join (GThread *thread);
gpointer
__wrap_g_thread_join (GThread *thread)
{
  gpointer result = __real_g_thread_join (thread);

  __tsan_acquire (thread);
  return result;
}

void __real_g_async_queue_push (GAsyncQueue *queue, gpointer data);
void __wrap_g_async_queue_push (GAsyncQueue *queue, gpointer data);
void
__wrap_g_async_queue_push (GAsyncQueue *queue, gpointer data)
{
  __tsan_release (queue);
  __real_g_async_queue_push (queue, data);
}

gpointer __real_g_async_queue_pop (GAsyncQueue *queue);
gpointer __wrap_g_async_queue_pop (GAsyncQueue *queue);
gpointer
__wrap_g_async_queue_pop (GAsyncQueue *queue)
{
  gpointer data = __real_g_async_queue_pop (queue);

  __tsan_acquire (queue);
  return data;
}

/* a thread of GIO's pool may be older than what it is given */
static void
run_task (GTask *task, gpointer source, gpointer data,
          GCancellable *cancellable)
{
  GTaskThreadFunc func = g_object_get_data (G_OBJECT (task), "tsan");

  __tsan_acquire (task);
  func (task, source, data, cancellable);
}

void __real_g_task_run_in_thread (GTask *task, GTaskThreadFunc func);
void __wrap_g_task_run_in_thread (GTask *task, GTaskThreadFunc func);
void
__wrap_g_task_run_in_thread (GTask *task, GTaskThreadFunc func)
{
  g_object_set_data (G_OBJECT (task), "tsan", func);
  __tsan_release (task);
  __real_g_task_run_in_thread (task, run_task);
}

/* The last reference gone: whatever others did while they held one is over. */
gboolean __real_g_atomic_ref_count_dec (gatomicrefcount *count);
gboolean __wrap_g_atomic_ref_count_dec (gatomicrefcount *count);
gboolean
__wrap_g_atomic_ref_count_dec (gatomicrefcount *count)
{
  gboolean is_last;

  __tsan_release (count);
  is_last = __real_g_atomic_ref_count_dec (count);
  if (is_last)
    __tsan_acquire (count);
  return is_last;
}
