/** The reference model and Redis keep the same contract, and give the same answers to the same random schedules. */
import { afterAll, beforeAll } from 'vitest';
import { checkpointStoreContract } from './checkpoint-store.contract.js';
import { checkpointStoreModel } from './checkpoint-store.model.js';
import { memoryStore } from './memory-under-test.js';
import { type RedisUnderTest, startRedisUnderTest } from './redis-under-test.js';

let redis: RedisUnderTest;

beforeAll(async () => {
  redis = await startRedisUnderTest();
}, 300_000);

afterAll(() => redis.close());

checkpointStoreContract('memory', memoryStore);
checkpointStoreContract('redis', () => redis.store());
checkpointStoreModel('redis', () => redis.store());
