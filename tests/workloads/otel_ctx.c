/* SPDX-License-Identifier: Apache-2.0 */
#include "otel_ctx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define PAYLOAD_MAX 4096

/* A reader stops the thread on its own CPU: what the compiler must not do is all that matters. */
#define COMPILER_BARRIER() __asm__ volatile("" ::: "memory")

struct header {
	char signature[8];
	uint32_t version;
	uint32_t payload_size;
	uint64_t published_at_ns;
	uint64_t payload;
};

_Static_assert(sizeof(struct header) == OTEL_HEADER_SIZE, "OTEP 4719");

struct buffer {
	uint8_t *bytes;
	size_t len, size;
	int overflow;
};

__attribute__((visibility("default"))) __thread struct otel_record *otel_thread_ctx_v1;

static __thread struct otel_record *own_record;
static __thread enum otel_style own_style;
static __thread uint8_t second_index;
static __thread char second_value[256]; /* "": none */
static struct header *published;

/* --- protobuf ------------------------------------------------------------------------------ */

static void put(struct buffer *b, const void *bytes, size_t len)
{
	if (len > b->size - b->len) {
		b->overflow = 1;
		return;
	}
	memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
}

static void put_varint(struct buffer *b, uint64_t v)
{
	do {
		uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));

		put(b, &byte, 1);
		v >>= 7;
	} while (v);
}

/* A length-delimited field. */
static void put_field(struct buffer *b, unsigned int number, const void *bytes, size_t len)
{
	put_varint(b, number << 3 | 2);
	put_varint(b, len);
	put(b, bytes, len);
}

/* AnyValue { string_value = 1 } */
static void put_string_value(struct buffer *b, unsigned int number, const char *value)
{
	uint8_t bytes[512];
	struct buffer any = { .bytes = bytes, .size = sizeof(bytes) };

	put_field(&any, 1, value, strlen(value));
	b->overflow |= any.overflow;
	put_field(b, number, any.bytes, any.len);
}

/* KeyValue { key = 1, value = 2 } as field @number. */
static void put_attribute(struct buffer *b, unsigned int number, const char *key, const char *value)
{
	uint8_t bytes[640];
	struct buffer kv = { .bytes = bytes, .size = sizeof(bytes) };

	if (!value)
		return;

	put_field(&kv, 1, key, strlen(key));
	put_string_value(&kv, 2, value);
	b->overflow |= kv.overflow;
	put_field(b, number, kv.bytes, kv.len);
}

/* KeyValue { key, AnyValue { array_value = 5 { values = 1 … } } } as field @number. */
static void put_key_map(struct buffer *b, unsigned int number, const char *const *keys)
{
	static const char name[] = "threadlocal.attribute_key_map";
	uint8_t array_bytes[1024], any_bytes[1040], kv_bytes[1088];
	struct buffer array = { .bytes = array_bytes, .size = sizeof(array_bytes) };
	struct buffer any = { .bytes = any_bytes, .size = sizeof(any_bytes) };
	struct buffer kv = { .bytes = kv_bytes, .size = sizeof(kv_bytes) };

	for (; keys && *keys; keys++)
		put_string_value(&array, 1, *keys);
	put_field(&any, 5, array.bytes, array.len);
	put_field(&kv, 1, name, strlen(name));
	put_field(&kv, 2, any.bytes, any.len);
	put_field(b, number, kv.bytes, kv.len);
	b->overflow |= array.overflow | any.overflow | kv.overflow;
}

int otel_process_encode(const struct otel_process *p, uint8_t *buf, size_t size, size_t *ret_len)
{
	uint8_t resource_bytes[2048];
	struct buffer resource = { .bytes = resource_bytes, .size = sizeof(resource_bytes) };
	struct buffer b = { .bytes = buf, .size = size };

	put_attribute(&resource, 1, "service.name", p->service_name);
	put_attribute(&resource, 1, "service.version", p->service_version);
	put_attribute(&resource, 1, "service.instance.id", p->service_instance_id);
	put_attribute(&resource, 1, "deployment.environment.name", p->deployment_environment_name);
	put_attribute(&resource, 1, "telemetry.sdk.language", "cpp");
	put_attribute(&resource, 1, "telemetry.sdk.name", "spanprof-workloads");

	put_field(&b, 1, resource.bytes, resource.len);
	put_attribute(&b, 2, "threadlocal.schema_version", p->schema_version);
	if (p->key_map)
		put_key_map(&b, 2, p->key_map);
	if (b.overflow || resource.overflow)
		return -ENOSPC;

	*ret_len = b.len;
	return 0;
}

/* --- process context ----------------------------------------------------------------------- */

static size_t mapping_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* MAP_PRIVATE also on the memfd: the header is to die with this process, not to reach children. */
static int mapping_new(struct header **ret)
{
	size_t size = mapping_size();
	int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC);
	void *p;

	if (fd >= 0 && ftruncate(fd, (off_t)size) < 0) {
		close(fd);
		fd = -1;
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd,
		 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return -errno;

	if (madvise(p, size, MADV_DONTFORK) < 0) {
		int r = -errno;

		munmap(p, size);
		return r;
	}
	*ret = p;
	return 0;
}

static void store_time(struct header *h, uint64_t time_ns)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&h->published_at_ns, time_ns, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int otel_process_publish_raw(uint64_t payload, uint32_t size, uint64_t time_ns, void **ret)
{
	int r;

	if (!published) {
		r = mapping_new(&published);
		if (r < 0)
			return r;
	}

	store_time(published, 0);
	memcpy(published->signature, "OTEL_CTX", sizeof(published->signature));
	published->version = 2;
	published->payload = payload;
	published->payload_size = size;
	store_time(published, time_ns);

	/* Names the mapping where the kernel can; everywhere it is the signal to look again. */
	(void)prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, published, mapping_size(), "OTEL_CTX");
	if (ret)
		*ret = published;
	return 0;
}

static uint64_t boot_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int otel_process_publish(const struct otel_process *p)
{
	static uint8_t *payload;
	uint8_t *bytes = malloc(PAYLOAD_MAX);
	size_t len;
	int r;

	if (!bytes)
		return -ENOMEM;

	r = otel_process_encode(p, bytes, PAYLOAD_MAX, &len);
	if (r == 0)
		r = otel_process_publish_raw((uintptr_t)bytes, (uint32_t)len, boot_time_ns(), NULL);
	if (r < 0) {
		free(bytes);
		return r;
	}

	free(payload);
	payload = bytes;
	return 0;
}

/* --- thread context ------------------------------------------------------------------------ */

int otel_thread_init(enum otel_style style)
{
	if (!own_record)
		own_record = calloc(1, sizeof(*own_record));
	if (!own_record)
		return -ENOMEM;

	own_style = style;
	COMPILER_BARRIER();
	otel_thread_ctx_v1 = style == OTEL_FLIP_VALID ? own_record : NULL;
	return 0;
}

void otel_thread_exit(void)
{
	otel_thread_ctx_v1 = NULL;
	COMPILER_BARRIER();
	free(own_record);
	own_record = NULL;
}

static void record_add(struct otel_record *r, uint8_t index, const char *value)
{
	size_t len = strnlen(value, 255);
	uint8_t *attr = r->attrs + r->attrs_size;

	attr[0] = index; /* into the key map */
	attr[1] = (uint8_t)len;
	memcpy(attr + 2, value, len);
	r->attrs_size = (uint16_t)(r->attrs_size + len + 2);
}

static void record_fill(struct otel_record *r, const uint8_t *trace_id, const uint8_t *span_id,
			const char *name)
{
	memcpy(r->trace_id, trace_id, sizeof(r->trace_id));
	memcpy(r->span_id, span_id, sizeof(r->span_id));
	r->trace_flags = 1;
	r->attrs_size = 0;
	if (name)
		record_add(r, 0, name);
	if (second_value[0])
		record_add(r, second_index, second_value);
}

void otel_thread_attach(const uint8_t trace_id[16], const uint8_t span_id[8], const char *name)
{
	struct otel_record *r = own_record;

	if (own_style == OTEL_SWAP_POINTER)
		otel_thread_ctx_v1 = NULL;
	*(volatile uint8_t *)&r->valid = 0;
	COMPILER_BARRIER();
	record_fill(r, trace_id, span_id, name);
	COMPILER_BARRIER();
	*(volatile uint8_t *)&r->valid = 1;
	COMPILER_BARRIER();
	otel_thread_ctx_v1 = r;
	COMPILER_BARRIER();
}

void otel_thread_detach(void)
{
	COMPILER_BARRIER();
	if (own_style == OTEL_SWAP_POINTER)
		otel_thread_ctx_v1 = NULL;
	else
		*(volatile uint8_t *)&own_record->valid = 0;
	COMPILER_BARRIER();
}

void otel_thread_second(uint8_t index, const char *value)
{
	second_index = index;
	snprintf(second_value, sizeof(second_value), "%s", value);
}

struct otel_record *otel_thread_record(void)
{
	return own_record;
}
