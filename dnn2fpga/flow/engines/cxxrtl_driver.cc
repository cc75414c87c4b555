// The two sides of a component and its clock, around what Yosys's write_cxxrtl made of it (netlist.cc).
// The rules are those of Pysim in pysim.py, word for word: same draws, same cycles.
#include <algorithm>
#include <cstdint>

#include "netlist.cc"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// A stream word lies in 32-bit chunks, lowest first, in memory as in cxxrtl::value.
static_assert(sizeof(cxxrtl::chunk_t) == 4, "chunks of 32 bits");

struct Bench {
	const uint32_t *words;  // count_in + 1 words
	uint64_t count_in, count_out;
	uint64_t source_stalls, sink_stalls;  // thresholds of a draw, 0 to 2^32
	uint64_t patience;
	uint32_t *came;  // count_out words
	int64_t *taken, *given;  // the cycles of count_in and count_out transfers
	uint64_t taken_count, given_count, cycle, moved;
	uint32_t draw, valid;
};

enum Status { RUNNING, DONE, STUCK };

// A registered output is a cxxrtl::wire, any other a cxxrtl::value.
template<size_t Bits>
const cxxrtl::value<Bits> &now(const cxxrtl::value<Bits> &value) { return value; }
template<size_t Bits>
const cxxrtl::value<Bits> &now(const cxxrtl::wire<Bits> &wire) { return wire.curr; }

uint32_t next(uint32_t &x) {
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

template<size_t Bits>
void offer(cxxrtl::value<Bits> &payload, const uint32_t *words, uint64_t index, bool valid) {
	const uint32_t *word = words + index * payload.chunks;
	for (size_t n = 0; n < payload.chunks; n++)
		payload.data[n] = valid ? word[n] : ~word[n];
	payload.data[payload.chunks - 1] &= payload.msb_mask;
}

template<size_t Bits>
void accept(const cxxrtl::value<Bits> &payload, uint32_t *words, uint64_t index) {
	std::copy_n(payload.data, payload.chunks, words + index * payload.chunks);
}

// A cycle up to its rising edge, where outputs are still what they were before it; and the edge.
#ifdef ONE_PASS
// An evaluation goes through all logic in order, and then gives registers their next values: so it does for both.
void before_edge(cxxrtl_design::p_top &top) {
	top.prev_p_clk.set(false);
	top.eval();
}

void edge(cxxrtl_design::p_top &top) { top.commit(); }
#else
void before_edge(cxxrtl_design::p_top &top) {
	top.p_clk.set(false);
	top.step();
}

void edge(cxxrtl_design::p_top &top) {
	top.p_clk.set(true);
	top.step();
}
#endif

}  // namespace

// A component after one clock edge in reset.
EXPORT void *component_new() {
	auto *top = new cxxrtl_design::p_top;
	top->p_rst.set(true);
	top->step();
	top->p_clk.set(true);
	top->step();
	top->p_rst.set(false);
	return top;
}

EXPORT void component_delete(void *component) { delete static_cast<cxxrtl_design::p_top *>(component); }

// Goes on with `bench` for some cycles.
EXPORT int component_run(void *component, Bench *bench, uint64_t cycles) {
	auto &top = *static_cast<cxxrtl_design::p_top *>(component);
	Bench b = *bench;  // a copy the compiler may keep in registers
	Status status = RUNNING;
	for (uint64_t end = b.cycle + cycles;; b.cycle++) {
		if (b.taken_count == b.count_in && b.given_count == b.count_out)
			status = DONE;
		if (status != RUNNING || b.cycle == end)
			break;
		bool may_offer = next(b.draw) >= b.source_stalls;
		bool ready = next(b.draw) >= b.sink_stalls;
		b.valid = b.valid || (b.taken_count < b.count_in && may_offer);
		offer(top.p_i__payload, b.words, b.taken_count, b.valid);
		top.p_i__valid.set(bool(b.valid));
		top.p_o__ready.set(ready);
		before_edge(top);
		if (ready && now(top.p_o__valid)) {
			b.moved = b.cycle;
			if (b.given_count < b.count_out) {
				accept(now(top.p_o__payload), b.came, b.given_count);
				b.given[b.given_count++] = b.cycle;
			}
		}
		if (b.valid && now(top.p_i__ready)) {
			b.moved = b.cycle;
			b.valid = false;
			b.taken[b.taken_count++] = b.cycle;
		}
		if (b.cycle - b.moved >= b.patience)
			status = STUCK;
		edge(top);
	}
	*bench = b;
	return status;
}
